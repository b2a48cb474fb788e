// Progress on the page for imports, without a reload; and of the upload. Every form also works without this script.
(() => {
const find = (selector, place = document) => place.querySelector(selector)
const all = (selector, place = document) => [...place.querySelectorAll(selector)]
// Pages arrive from the server as documents; nothing here turns text into HTML.
const ask = (method, url) => {
  const request = new XMLHttpRequest()
  request.open(method, url)
  request.responseType = "document"
  return request
}

// Show how far the imports are. The page of one that is over is another one.
const renew = () => {
  const request = ask("GET", location.href)
  request.setRequestHeader("Commentsvc-Background", "true")
  request.onload = () => {
    const shown = all("[data-part]")
    const fresh = shown.map(part => find(`[data-part="${part.dataset.part}"]`, request.response))
    if (request.status >= 500) return
    if (!fresh.every(Boolean)) return location.reload()
    for (const [at, part] of shown.entries()) part.replaceChildren(...fresh[at].childNodes)
  }
  request.send()
}
if (find("[data-part]")) setInterval(() => document.hidden || renew(), 1500)

const form = find("#upload")
if (!form) return
form.elements.zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone
const alert = find("[role=alert]", form)
const progress = find("progress", form)
const button = find("button", form)
const show = text => {
  alert.textContent = text
  alert.hidden = !text
  progress.hidden = true
  button.disabled = false
}
form.onsubmit = event => {
  event.preventDefault()
  const { size } = form.elements.file.files[0]
  if (size > form.dataset.most) return show(form.dataset.large)
  show("")
  const request = ask("POST", form.getAttribute("action"))
  request.upload.onprogress = ({ loaded, total }) => { progress.value = 100 * loaded / total }
  request.onload = () => {
    if (request.status < 400) return location.assign(request.responseURL)
    show(find("main [role=alert]", request.response)?.textContent || form.dataset.failed)
  }
  request.onerror = () => show(form.dataset.failed)
  progress.hidden = false
  button.disabled = true
  request.send(new FormData(form))
}
})()
