// Keyboard shortcuts, and cards that disappear at once. Every form also works without this script. Pages arrive from
// the server as documents; nothing here turns text into HTML.
(() => {
const find = (selector, place = document) => place.querySelector(selector)
const all = (selector, place = document) => [...place.querySelectorAll(selector)]
const cards = find("#cards")
const root = document.documentElement
// A background request does not extend the session.
const BACKGROUND = { "Commentsvc-Background": "true" }
// The current card. Until keysFrom no key acts on it, because another card was in its place a moment ago.
let current
let keysFrom = 0
// The number of forms being sent, whether the last one is an undo, the last error and how long it is shown, and the
// cards removed before the server has answered.
let sending = 0
let undoing
let failure
let failureUntil = 0
let removed = []
let queue = Promise.resolve()
let tag = cards?.dataset.tag
// The service may be below a path.
const home = new URL(".", document.currentScript.src)

const load = (url, body, headers = {}) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest()
  request.open(body ? "POST" : "GET", url)
  request.responseType = "document"
  request.timeout = 30_000
  for (const name in headers) request.setRequestHeader(name, headers[name])
  request.onload = () => request.response && request.status < 500 ? resolve(request.response) : reject()
  request.onerror = request.ontimeout = reject
  request.send(body)
})

const isVisible = card => {
  const { top, bottom } = card.getBoundingClientRect()
  return bottom > 60 && top < innerHeight - 60
}

const setCurrent = card => {
  if (current) current.ariaCurrent = null
  current = card
  if (card) card.ariaCurrent = "true"
}

const moveTo = card => {
  setCurrent(card)
  card?.focus({ preventScroll: true })
  card?.scrollIntoView({ block: "nearest" })
}

// Show an error beside the result of a decision that succeeded.
const showError = text => {
  const toast = document.createElement("div")
  toast.className = "toast error"
  toast.textContent = text
  find("#status .error")?.remove()
  find("#status").append(toast)
}

// Replace a part of the page by the same part of a newer page.
const renew = (id, page) => find(`#${id}`).replaceChildren(...find(`#${id}`, page).childNodes)

// The page's URL, with the cards whose changes the server is to report.
const urlWith = shown => {
  const { url } = cards.dataset
  const seen = new URLSearchParams(shown.map(card => ["shown", card.dataset.seen]))
  return seen.size ? url + (url.includes("?") ? "&" : "?") + seen : url
}
const openCards = () => all(".card[data-seen]", cards)

// Update the cards from the server's page. Unchanged cards keep their elements (focus, open texts); only their counts
// of similar comments change. A card that someone else decided on keeps its place and says so: a key press must not hit
// the card that moved into its place. Returns true if the server has to be asked for such cards first.
const update = (page, complete) => {
  const fresh = find("#cards", page)
  if (!fresh) return location.reload()
  const shown = all(".card", cards)
  const before = new Map(shown.map(card => [card.id, card]))
  const after = all(".card", fresh).map(card => {
    const old = before.get(card.id)
    if (old?.dataset.version != card.dataset.version) return card
    find(".similar", old)?.replaceWith(find(".similar", card))
    return old
  })
  const missing = openCards().filter(card => !after.some(one => one.id == card.id))
  if (missing.length && !complete) {
    send(urlWith(missing))
    return true
  }
  const index = Math.max(shown.indexOf(current), 0)
  const same = undoing && after.find(card => !before.has(card.id)) || after.find(card => card.id == current?.id)
  const next = same ?? after[Math.min(index, after.length - 1)]
  if (next != current && !undoing) keysFrom = performance.now() + 300
  const wanted = [...after, ...all(".empty", fresh)]
  for (const one of [...cards.children]) if (!wanted.includes(one)) one.remove()
  for (const [at, one] of wanted.entries()) if (cards.children[at] != one) cards.insertBefore(one, cards.children[at])
  for (const id of ["tabs", "wave", "oldest", "more"]) renew(id, page)
  // Not while all that match are selected: their number has been shown.
  if (!find("#select [name=all]:checked")) renew("select", page)
  countSelected()
  document.title = page.title
  tag = fresh.dataset.tag
  removed = []
  undoing = false
  setCurrent(next)
  const focused = document.activeElement
  if (next && (focused == document.body || cards.contains(focused))) next.focus({ preventScroll: isVisible(next) })
}

// Send requests one after another, so that each sees the result of the one before. An error of any of them is shown;
// of their pages only the last one.
const send = (url, body, headers) => {
  sending++
  cards.ariaBusy = "true"
  queue = queue.then(() => load(url, body, headers)).catch(() => {}).then(async page => {
    sending--
    const skipped = page ? all("#skipped .card", page) : []
    if (skipped.length) find("#skipped").replaceChildren(...[...find("#skipped").children, ...skipped].slice(-2))
    const isQueue = page && find("#cards", page)
    if (!isQueue) {
      failure = page ? find("main [role=alert]", page)?.textContent : find("#status").dataset.failed
      failureUntil = performance.now() + 5000
    } else if (body) renew("status", page) // at once: the page of a later request does not tell this result
    const latest = isQueue || sending ? page : await load(cards.dataset.url)
    if (sending || update(latest, !body)) return
    // A decision that succeeds a moment later does not hide the error.
    if (performance.now() < failureUntil) showError(failure)
  }).catch(() => {
    cards.prepend(...removed)
    showError(failure)
    removed = []
    tag = undefined
  }).then(() => setTimeout(() => sending || (cards.ariaBusy = null), keysFrom - performance.now()))
}

// The cards that a button decides on.
const cardsOf = (form, button) => {
  const card = button?.closest(".card")
  const kind = button?.dataset.similar
  const value = one => kind == "text" ? find(".text", one)?.textContent : one.dataset[kind]
  if (form.id == "bulk") return all(".card:has(:checked)", cards)
  return kind ? all(".card", cards).filter(one => value(one) == value(card)) : card ? [card] : []
}

// The number of selected comments: those with a mark, or all that match.
const boxes = () => all("[name=selected]", cards)
const countSelected = () => {
  const every = find("#select [name=all]")
  const number = every?.checked ? +every.value : cards ? boxes().filter(box => box.checked).length : 0
  const shown = find("#selected")
  if (shown) shown.textContent = number.toLocaleString(root.lang) + (every?.checked && "more" in every.dataset ? "+" : "")
}
addEventListener("change", ({ target }) => {
  const every = find("#select [name=all]")
  if (target == every) for (const box of boxes()) box.checked = every.checked
  else if (every && target.name == "selected") every.checked &&= target.checked
  if (cards) countSelected()
})
addEventListener("reset", () => setTimeout(countSelected))

// Sort at once. Somebody who chooses with keys goes through all the options, and presses the button.
addEventListener("change", ({ target }) => { if (target.matches(".sort select:not(:focus-visible)")) target.form.requestSubmit() })

// The text area with text that is not sent yet.
let typed
addEventListener("input", ({ target }) => { if (target.matches("textarea")) typed = target })

addEventListener("submit", event => {
  const { target: form, submitter: button } = event
  if (!cards || !form.matches("#act, #bulk, .undo, .step")) {
    if (form.contains(typed)) typed = undefined
    if (!sending) return
    event.preventDefault()
    queue.then(() => form.requestSubmit(button))
    return
  }
  event.preventDefault()
  const decided = cardsOf(form, button)
  undoing = form.matches(".undo")
  const body = new URLSearchParams(new FormData(form, button))
  if (decided.length) {
    const shown = all(".card", cards)
    const rest = shown.slice(shown.indexOf(button.closest(".card") ?? decided.at(-1)))
    const next = rest.find(card => !decided.includes(card)) ?? shown.findLast(card => !decided.includes(card))
    if ("removes" in cards.dataset) {
      removed.push(...decided)
      for (const card of decided) card.remove()
    }
    moveTo(next) // after the others are gone: else the page scrolls for them
  }
  // Not form.action: a field named "action" would shadow it.
  send(form.getAttribute("action"), body)
})

// Send all decisions before leaving the page. Ignore the second half of a double click.
addEventListener("click", event => {
  const link = event.target.closest("a[href]")
  const opens = event.target.closest("[data-dialog]")
  if (opens) find("#" + opens.dataset.dialog).showModal()
  if (link?.matches(".close")) {
    event.preventDefault()
    return link.closest(".toast").remove()
  }
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
  if (card && card != current) setCurrent(card)
})

// Caps Lock changes nothing. With a keyboard that is not Latin, the place of the key counts.
const keyOf = event => {
  const { key, code, shiftKey } = event
  const byPlace = /^Key[A-Z]$/.test(code) && (event.getModifierState("CapsLock") || !/^[ -~]+$/.test(key))
  return byPlace ? shiftKey ? code[3] : code[3].toLowerCase() : key
}

const textFields = "textarea, select, input:not([type=checkbox], [type=radio])"
addEventListener("keydown", event => {
  const { target } = event
  const key = keyOf(event)
  if (!root.matches(".shortcuts-on") || find("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || target.closest(textFields)) return
  const shown = all(".card")
  const step = { j: 1, k: -1 }[key]
  if (event.repeat && !step) return
  const visible = current && !isVisible(current) && shown.find(isVisible)
  if (step) return moveTo(visible || (shown[shown.indexOf(current) + step] ?? current))
  const named = all(`[data-key="${CSS.escape(key)}"]`)
  const control = find("#cards :checked") && named.find(one => one.closest("#bulk"))
    || named.find(one => current?.contains(one))
    || named.find(one => !one.closest("#cards, #bulk") || one.name == "all")
  if (!control) return
  event.preventDefault()
  // Never act on a card that is out of view, or that moved into another's place a moment ago.
  if (current?.contains(control) && (visible || event.timeStamp < keysFrom)) return visible && moveTo(visible)
  // On a phone, the search is in a popover.
  if (!control.checkVisibility()) control.closest("[popover]")?.showPopover?.()
  if (control.matches(textFields)) control.focus()
  else control.click()
})
addEventListener("toggle", ({ target, newState }) => {
  if (target.matches("[popover]") && newState == "open") find("[type=search]", target)?.focus()
}, true)

// Load new comments and other moderators' decisions.
const poll = async () => {
  if (document.hidden || sending) return
  const headers = { "If-None-Match": `"${tag}"`, ...BACKGROUND }
  const answer = await fetch(`${home}moderate/counts`, { cache: "no-store", headers })
  if (answer.ok && !sending) send(urlWith(openCards()), undefined, BACKGROUND)
}

// Keyboard shortcuts can be switched off (WCAG 2.2, 2.1.4). The server keeps the choice.
const choice = find("#shortcuts")
const setShortcuts = on => {
  root.classList.toggle("shortcuts-on", on)
  root.classList.toggle("shortcuts-off", !on)
}
setShortcuts(root.dataset.shortcuts != "off")
if (choice) choice.onchange = () => {
  const { form } = choice
  setShortcuts(choice.checked)
  fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual", keepalive: true })
}
const tabs = find("#tabs")
const tab = tabs && find("[aria-current]", tabs)
if (tab) tabs.scrollLeft = tab.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - tab.offsetWidth) / 2
setCurrent(find(".card:target") ?? find("#cards .card") ?? find("article.card"))
if (cards) {
  countSelected()
  setInterval(() => poll().catch(() => {}), 30_000)
  addEventListener("focus", () => poll().catch(() => {}))
}

// Bans and rules: Enter in a list saves, as in a text field, and Ctrl+Enter in a text of several lines sends every form.
// A change of the test's own fields tests again at once.
addEventListener("keydown", event => {
  const { target, key } = event
  const sends = event.ctrlKey || event.metaKey ? "main textarea" : ".by-kind select"
  if (key != "Enter" || event.isComposing || !target.matches(sends)) return
  event.preventDefault()
  target.form.requestSubmit(find("button", target.form))
})

let tests = 0
const test = async form => {
  const number = ++tests
  const fields = all("[data-test]:not(select)", form)
  if (fields.length && !fields.some(one => one.checkVisibility() && one.value)) return find("#test-result", form).replaceChildren()
  const body = new URLSearchParams(new FormData(form))
  body.set("do", "test")
  const page = await load(form.getAttribute("action"), body).catch(() => {})
  // A button that is being pressed stays where it is.
  if (number != tests || !page || find("button:active", form)) return
  const { name } = document.activeElement
  for (const part of all("[data-part]", form)) part.replaceChildren(...find(`[data-part=${part.dataset.part}]`, page)?.childNodes ?? [])
  if (name && document.activeElement == document.body) form.elements[name]?.focus()
}
// A long word list is tested only when asked.
let testing
addEventListener("input", ({ target }) => {
  if (!target.matches("[data-test]") || target.value.length > 20_000) return
  clearTimeout(testing)
  testing = setTimeout(test, target.matches("select") ? 0 : 600, target.form)
})
})()
