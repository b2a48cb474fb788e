// Buttons that copy a text, and times as readers say them. Without this script, texts can be selected and times are
// dates. The texts of the page come from the server, in the reader's language.

const select = element => getSelection().selectAllChildren(element)

const copy = async element => {
  try {
    await navigator.clipboard.writeText(element.textContent)
  } catch { // over http, browsers copy only what is selected
    select(element)
    return document.execCommand("copy")
  }
  return true
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const words = button.textContent
  button.hidden = false
  button.setAttribute("aria-live", "polite")
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy)
    if (await copy(text)) button.textContent = button.dataset.done
    else select(text)
    setTimeout(() => { button.textContent = words }, 2000)
  })
}

const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]
const spoken = new Intl.RelativeTimeFormat(document.documentElement.lang)
for (const time of document.querySelectorAll(".example time")) {
  const seconds = Math.max(1, (Date.now() - Date.parse(time.dateTime)) / 1000)
  const [unit, length] = units.find(one => seconds >= one[1])
  time.title = new Date(time.dateTime).toLocaleString(document.documentElement.lang)
  time.textContent = spoken.format(-Math.floor(seconds / length), unit)
}
