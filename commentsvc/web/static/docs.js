// The search of the API reference. Without it, the page is complete, and the browser finds text in it.
const search = document.querySelector("search")
const input = search.querySelector("input")
const found = search.querySelector("output")
const parts = [...document.querySelectorAll(".part")]
const groups = [...document.querySelectorAll("main > section")]
const links = [...document.querySelectorAll("nav li")]
const texts = new Map([...parts, ...links].map((part) => [part, part.textContent.toLowerCase()]))

const show = () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = (part) => words.every((word) => texts.get(part).includes(word))
  const shown = parts.filter((part) => !(part.hidden = !fits(part)))
  for (const group of groups) group.hidden = !group.querySelector(".part:not([hidden])")
  for (const link of links) {
    const part = document.getElementById(link.firstElementChild.hash.slice(1)).closest(".part")
    link.hidden = Boolean(part?.hidden)
  }
  for (const list of document.querySelectorAll("nav div")) list.hidden = !list.querySelector("li:not([hidden])")
  found.textContent = words.length ? found.dataset.found.replace("{}", shown.length) : ""
}

// A link to an operation opens its example, and a link to a schema opens the schema.
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  if (!target) return
  if (target.closest("[hidden]")) {
    input.value = ""
    show()
  }
  for (let part = target.closest("details"); part; part = part.parentElement.closest("details")) part.open = true
  for (const part of target.closest(".operation")?.querySelectorAll("details.example") ?? []) part.open = true
  target.scrollIntoView()
}

input.addEventListener("input", show)
addEventListener("hashchange", open)
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target === input) return
  event.preventDefault()
  input.focus()
})
search.hidden = false
if (input.value) show() // restored by the browser
open()
