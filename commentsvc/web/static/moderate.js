// Keys, and cards that leave at once. Everything here works without it, form by form. Pages come from the server as
// documents; no text is ever made into HTML here.
(() => {
const find = (selector, place = document) => place.querySelector(selector)
const all = (selector, place = document) => [...place.querySelectorAll(selector)]
const cards = find("#cards")
const root = document.documentElement
const BY_ITSELF = { "Commentsvc-Looks": "by itself" }
// The card that keys are about, and until when they wait, for it is another than a moment ago.
let here
let calm = 0
// How many forms are under way, whether the last of them takes something back, what went wrong with one; the cards that
// have left but are not decided yet.
let sending = 0
let undoing
let fault
let away = []
let queue = Promise.resolve()
let tag = cards?.dataset.tag

const load = (address, body, headers = {}) => new Promise((done, failed) => {
  const request = new XMLHttpRequest()
  request.open(body ? "POST" : "GET", address)
  request.responseType = "document"
  request.timeout = 30_000
  for (const name in headers) request.setRequestHeader(name, headers[name])
  request.onload = () => request.response && request.status < 500 ? done(request.response) : failed()
  request.onerror = request.ontimeout = failed
  request.send(body)
})

const inView = card => {
  const { top, bottom } = card.getBoundingClientRect()
  return bottom > 60 && top < innerHeight - 60
}

const mark = card => {
  if (here) here.ariaCurrent = null
  here = card
  if (card) card.ariaCurrent = "true"
}

const go = card => {
  mark(card)
  card?.focus()
}

const say = words => {
  const toast = document.createElement("div")
  toast.className = "toast"
  toast.textContent = words
  find("#said").replaceChildren(toast)
}

// Where the server tells what became of these cards.
const about = those => {
  const { here: place } = cards.dataset
  const seen = new URLSearchParams(those.map(card => ["shown", card.dataset.seen]))
  return seen.size ? place + (place.includes("?") ? "&" : "?") + seen : place
}
const live = () => all(".card[data-seen]", cards)

// Brings the cards to what the server says now. Those that stay are kept as they are, but for what is said of others.
// One that is gone through somebody else keeps its place and says so: no key may fall on what has taken it. Returns
// whether that has to be asked for first.
const settle = (page, told) => {
  const fresh = find("#cards", page)
  if (!fresh) return location.reload()
  const shown = all(".card", cards)
  const before = new Map(shown.map(card => [card.id, card]))
  const after = all(".card", fresh).map(card => {
    const mine = before.get(card.id)
    if (mine?.dataset.version != card.dataset.version) return card
    find(".alike", mine)?.replaceWith(find(".alike", card))
    return mine
  })
  const lost = live().filter(card => !after.some(one => one.id == card.id))
  if (lost.length && !told) {
    send(about(lost))
    return true
  }
  const at = Math.max(shown.indexOf(here), 0)
  const same = undoing && after.find(card => !before.has(card.id)) || after.find(card => card.id == here?.id)
  const now = same ?? after[Math.min(at, after.length - 1)]
  if (now != here && !undoing) calm = performance.now() + 300
  const next = [...after, ...all(".empty", fresh)]
  for (const one of [...cards.children]) if (!next.includes(one)) one.remove()
  for (const [place, one] of next.entries()) if (cards.children[place] != one) cards.insertBefore(one, cards.children[place])
  for (const id of ["tabs", "more", "said"]) find(`#${id}`).replaceChildren(...find(`#${id}`, page).childNodes)
  document.title = page.title
  tag = fresh.dataset.tag
  away = []
  undoing = false
  mark(now)
  const focused = document.activeElement
  if (now && (focused == document.body || cards.contains(focused))) now.focus({ preventScroll: inView(now) })
}

// One after another, so that each is about what the one before has left. What went wrong with any of them is told;
// of what they show, the last one counts.
const send = (address, body, headers) => {
  sending++
  cards.ariaBusy = "true"
  queue = queue.then(() => load(address, body, headers)).catch(() => {}).then(async page => {
    sending--
    const left = page ? all("#left .card", page) : []
    if (left.length) find("#left").replaceChildren(...[...find("#left").children, ...left].slice(-2))
    const whole = page && find("#cards", page)
    if (!whole) fault = page ? find("main [role=alert]", page)?.textContent : "This could not be sent. It waits as it did."
    if (sending) return
    if (settle(whole ? page : await load(cards.dataset.here), !body)) return
    if (fault) say(fault)
    fault = undefined
  }).catch(() => {
    cards.prepend(...away)
    say(fault)
    away = []
    fault = tag = undefined
  }).then(() => setTimeout(() => sending || (cards.ariaBusy = null), calm - performance.now()))
}

const leaving = (form, button) => {
  const card = button?.closest(".card")
  const kind = button?.dataset.all
  const trait = one => kind == "text" ? find(".text", one)?.textContent : one.dataset[kind]
  if (form.id == "bulk") return all(".card:has(:checked)", cards)
  return kind ? all(".card", cards).filter(one => trait(one) == trait(card)) : card ? [card] : []
}

// Where somebody has typed what its form has not taken yet.
let typed
addEventListener("input", ({ target }) => { if (target.matches("textarea")) typed = target })

addEventListener("submit", event => {
  const { target: form, submitter: button } = event
  if (!cards || !form.matches("#act, #bulk, .undo")) {
    if (form.contains(typed)) typed = undefined
    if (!sending) return
    event.preventDefault()
    queue.then(() => form.requestSubmit(button))
    return
  }
  event.preventDefault()
  const those = leaving(form, button)
  undoing = form.matches(".undo")
  const body = new URLSearchParams(new FormData(form, button))
  if (those.length) {
    const left = all(".card", cards)
    const rest = left.slice(left.indexOf(button.closest(".card") ?? those.at(-1)))
    go(rest.find(card => !those.includes(card)) ?? left.findLast(card => !those.includes(card)))
    if ("moves" in cards.dataset) {
      away.push(...those)
      for (const card of those) card.remove()
    }
  }
  // Not form.action: a field of this name would be that.
  send(form.getAttribute("action"), body)
})

// What was decided is sent before another page is looked at; and the second half of a double click decides nothing.
addEventListener("click", event => {
  const link = event.target.closest("a[href]")
  if (event.detail > 1 && event.target.closest("button")) event.preventDefault()
  if (!sending || !link || link.target || event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  queue.then(() => location.assign(link.href))
})

addEventListener("beforeunload", event => {
  if (sending || typed) event.preventDefault()
})

addEventListener("focusin", ({ target }) => {
  const card = target.closest(".card")
  if (card && card != here) mark(card)
})

// Caps Lock makes no other key of one; and where letters are not Latin, their places on the keyboard count.
const keyOf = event => {
  const { key, code, shiftKey } = event
  const placed = /^Key[A-Z]$/.test(code) && (event.getModifierState("CapsLock") || !/^[ -~]+$/.test(key))
  return placed ? shiftKey ? code[3] : code[3].toLowerCase() : key
}

const lines = "textarea, select, input:not([type=checkbox], [type=radio])"
addEventListener("keydown", event => {
  const { target } = event
  const key = keyOf(event)
  if (!root.matches(".keys") || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || target.closest(lines)) return
  const shown = all(".card")
  const step = { j: 1, k: -1 }[key]
  if (event.repeat && !step) return
  const elsewhere = here && !inView(here) && shown.find(inView)
  if (step) return go(elsewhere || (shown[shown.indexOf(here) + step] ?? here))
  const named = all(`[data-key="${CSS.escape(key)}"]`)
  const control = find("#cards :checked") && named.find(one => one.closest("#bulk"))
    || named.find(one => here?.contains(one))
    || named.find(one => !one.closest("#cards, #bulk"))
  if (!control) return
  event.preventDefault()
  // Nothing is done to a card that is out of sight, or that took another's place a moment ago.
  if (here?.contains(control) && (elsewhere || event.timeStamp < calm)) return elsewhere && go(elsewhere)
  if (control.matches(lines)) control.focus()
  else control.click()
  if (control.matches("summary")) control.scrollIntoView({ block: "nearest" })
})

// What others decide, and what arrives.
const look = async () => {
  if (document.hidden || sending) return
  const headers = { "If-None-Match": `"${tag}"`, ...BY_ITSELF }
  const answer = await fetch("/moderate/counts", { cache: "no-store", headers })
  if (answer.ok && !sending) send(about(live()), undefined, BY_ITSELF)
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
mark(find(".card:target") ?? find("#cards .card") ?? find("article.card"))
if (cards) {
  setInterval(() => look().catch(() => {}), 30_000)
  addEventListener("focus", () => look().catch(() => {}))
}
})()
