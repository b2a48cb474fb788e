// Keys, and cards that leave at once. Everything here works without it, form by form. Pages come from the server as
// documents; no text is ever made into HTML here.
(() => {
const find = (selector, place = document) => place.querySelector(selector)
const all = (selector, place = document) => [...place.querySelectorAll(selector)]
const cards = find("#cards")
const root = document.documentElement
// The card that keys are about; how many forms are under way; whether the last of them takes something back.
let here
let sending = 0
let undoing
let queue = Promise.resolve()
let tag = cards?.dataset.tag

const load = (address, body) => new Promise((done, failed) => {
  const request = new XMLHttpRequest()
  request.open(body ? "POST" : "GET", address)
  request.responseType = "document"
  request.onload = () => request.response ? done(request.response) : failed()
  request.onerror = failed
  request.send(body)
})

const mark = card => {
  if (here) here.ariaCurrent = null
  here = card
  if (card) card.ariaCurrent = "true"
}

const go = card => {
  mark(card)
  card?.focus()
}

const say = words => find("#said").replaceChildren(words)

// Brings the cards to what the server says now. Those that stay are kept as they are, but for what is said of others.
const settle = page => {
  const fresh = find("#cards", page)
  if (!fresh) {
    const fault = find("main [role=alert]", page)
    if (fault) return say(toast(fault.textContent))
    return location.reload()
  }
  const shown = all(".card", cards)
  const at = shown.indexOf(here)
  const fellBehind = document.activeElement == document.body || cards.contains(document.activeElement)
  const before = new Map(shown.map(card => [card.id, card]))
  const after = all(".card", fresh).map(card => {
    const mine = before.get(card.id)
    if (mine?.dataset.version != card.dataset.version) return card
    find(".alike", mine)?.replaceWith(find(".alike", card))
    return mine
  })
  const back = after.find(card => !before.has(card.id))
  const next = [...after, ...all(".empty", fresh)]
  for (const one of [...cards.children]) if (!next.includes(one)) one.remove()
  for (const [place, one] of next.entries()) if (cards.children[place] != one) cards.insertBefore(one, cards.children[place])
  for (const id of ["tabs", "more", "said", "left"]) {
    const told = find(`#${id}`, page).childNodes
    if (id != "left" || find(".card", find("#left", page))) find(`#${id}`).replaceChildren(...told)
  }
  document.title = page.title
  tag = fresh.dataset.tag
  mark(after.includes(here) ? here : undoing && back || after[Math.min(Math.max(at, 0), after.length - 1)])
  undoing = false
  if (fellBehind) here?.focus({ preventScroll: after.includes(here) && shown.includes(here) })
}
const toast = words => {
  const box = document.createElement("div")
  box.className = "toast"
  box.textContent = words
  return box
}

// One after another, so that each is about what the one before has left. Only the last one's answer is shown.
const send = (address, body) => {
  sending++
  cards.ariaBusy = "true"
  queue = queue.then(() => load(address, body)).then(page => {
    sending--
    if (!sending) settle(page)
  }, async () => {
    sending--
    if (!sending) await load(cards.dataset.here).then(settle, () => {})
    say(toast("This could not be sent. Here is how things stand."))
  }).then(() => sending || (cards.ariaBusy = null))
}

const leaving = (form, button) => {
  const card = button?.closest(".card")
  const kind = button?.dataset.all
  const trait = one => kind == "text" ? find(".text", one)?.textContent : one.dataset[kind]
  if (form.id == "bulk") return all(".card:has(:checked)", cards)
  return kind ? all(".card", cards).filter(one => trait(one) == trait(card)) : card ? [card] : []
}

addEventListener("submit", event => {
  const { target: form, submitter: button } = event
  if (!cards || !form.matches("#act, #bulk, .undo")) return
  event.preventDefault()
  const those = leaving(form, button)
  undoing = form.matches(".undo")
  const body = new URLSearchParams(new FormData(form, button))
  if (those.length) {
    const left = all(".card", cards)
    const rest = left.slice(left.indexOf(those.at(-1))).find(card => !those.includes(card))
    go(rest ?? left.findLast(card => !those.includes(card)))
    if ("moves" in cards.dataset) for (const card of those) card.remove()
  }
  // Not form.action: a field of this name would be that.
  send(form.getAttribute("action"), body)
})

addEventListener("focusin", ({ target }) => {
  const card = target.closest(".card")
  if (card && card != here) mark(card)
})

const lines = "textarea, select, input:not([type=checkbox], [type=radio])"
addEventListener("keydown", event => {
  const { key, target } = event
  if (!root.matches(".keys") || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || target.closest(lines)) return
  const shown = all(".card")
  const step = { j: 1, k: -1 }[key]
  if (step) return go(shown[shown.indexOf(here) + step] ?? here)
  const named = all(`[data-key="${CSS.escape(key)}"]`)
  const control = find("#cards :checked") && named.find(one => one.closest("#bulk"))
    || named.find(one => here?.contains(one))
    || named.find(one => !one.closest("#cards, #bulk"))
  if (!control) return
  event.preventDefault()
  if (control.matches(lines)) control.focus()
  else control.click()
})

// What others decide, and what arrives.
const look = async () => {
  if (document.hidden || sending) return
  const answer = await fetch("/moderate/counts", { cache: "no-store", headers: { "If-None-Match": `"${tag}"` } })
  if (!answer.ok || sending) return
  const seen = all(".card:not(.gone)", cards).map(card => ["shown", card.dataset.seen])
  const { here: place } = cards.dataset
  send(place + (place.includes("?") ? "&" : "?") + new URLSearchParams(seen))
}

// Single keys can be switched off (WCAG 2.2, 2.1.4).
const choice = find("#keys")
const kept = value => {
  try { return value ? localStorage.setItem("commentsvc:keys", value) : localStorage.getItem("commentsvc:keys") } catch {}
}
const listen = on => {
  root.classList.toggle("keys", on)
  root.classList.toggle("deaf", !on)
}
listen(kept() != "off")
if (choice) {
  choice.checked = root.matches(".keys")
  choice.onchange = () => listen(choice.checked, kept(choice.checked ? "on" : "off"))
}
mark(find("#cards .card") ?? find("article.card"))
if (cards) {
  setInterval(() => look().catch(() => {}), 30_000)
  addEventListener("focus", () => look().catch(() => {}))
}
})()
