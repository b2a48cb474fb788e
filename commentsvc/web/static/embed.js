// Comments in a page: <comment-thread>, counts beside links, and a thread where this script is in the body.
// It is served without comments and indentation, and with thread.css in the place of its name. The server sends all
// texts, in the reader's language. Readers may need embed-more.js and embed-form.js later.
(() => {
if (customElements.get("comment-thread")) return
const tag = document.currentScript
// A module does not know its element, but the stack has its address.
const home = new URL(".", tag?.src || Error().stack.match(/https?:\S+?\/(embed|counter)\.[^\s:)]*/)[0]).href
const plain = { createHTML: html => html, createScriptURL: url => url }
const policy = window.trustedTypes?.createPolicy("commentsvc", plain) ?? plain
const style = css => {
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  document.adoptedStyleSheets.push(sheet)
}
style("thread.css")

const api = (path, options) => fetch(`${home}v1/${path}`, options)
// The API refuses empty values.
const encode = fields => new URLSearchParams([...new URLSearchParams(fields)].filter(pair => pair[1]))

const units = { year: 31557600, month: 2629800, day: 86400, hour: 3600, minute: 60, second: -1 / 0 }

// Writes how long ago comments were posted, in the reader's language, with the date in their time zone as title.
const tell = root => {
  for (const time of root.querySelectorAll(".dt-published, .ct-latest time")) {
    const lang = time.closest("[lang]")?.lang, date = new Date(time.dateTime), age = (date - Date.now()) / 1000
    const unit = Object.keys(units).find(unit => -age >= units[unit])
    time.title = date.toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" })
    time.textContent = new Intl.RelativeTimeFormat(lang, { numeric: "auto" }).format(Math.trunc(age / units[unit]), unit)
  }
}

// The address of this page. A part like #/post/1 belongs to it: it is the page's own way to change pages.
const here = () => location.href.replace(/#(?![!/])[^#]*$/, "")

// The server's HTML as an element. Its links to parts of the page work below <base href> too.
const parse = html => {
  const template = document.createElement("template")
  template.innerHTML = policy.createHTML(html)
  const { content } = template
  for (const link of content.querySelectorAll('[href^="#"]')) link.href = here() + link.getAttribute("href")
  tell(content)
  return content.firstElementChild
}

// Reads or writes the localStorage of the page's site. If the browser refuses, values are kept until the page is left.
const kept = {}
const store = (name, value) => {
  name = `commentsvc:${name}`
  try {
    if (value === undefined) return kept[name] ?? JSON.parse(localStorage.getItem(name))
    if (value) localStorage.setItem(name, JSON.stringify(value))
    else localStorage.removeItem(name)
    delete kept[name]
  } catch {
    if (value !== undefined) kept[name] = value
  }
}

const loadCounts = async (threads, lang, site = "") => {
  const body = encode([["lang", lang], ["site", site], ...threads.map(name => ["thread", name])])
  return (await api("counts", { method: "POST", body })).json()
}

// Loads embed-form.js when it is first needed. The server puts in its name and integrity, so that it fits this script.
let formScript
const loadForm = () => formScript ??= new Promise((resolve, reject) => {
  const more = document.createElement("script")
  more.src = policy.createScriptURL(`${home}${"embed-form.js"}`)
  more.integrity = "sha384"
  more.crossOrigin = "anonymous"
  more.nonce = tag?.nonce
  more.onload = resolve
  more.onerror = () => reject(formScript = undefined)
  document.head.append(more)
  more.remove()
})

const orders = ["oldest", "newest"]
const idOf = comment => comment.id.slice(8)
const repliesOf = item => item.querySelector(":scope > .ct-list, :scope > .ct-branch > .ct-list")

class CommentThread extends HTMLElement {
  static observedAttributes = ["thread", "site", "lang", "order"]
  static style = style
  static kit = { api, encode, here, idOf, loadCounts, parse, repliesOf, store }

  constructor() {
    super()
    for (const kind of ["click", "submit", "input", "change", "keydown", "focusin"]) this.addEventListener(kind, this)
  }

  handleEvent(event) {
    const { type, target } = event
    if (type == "hashchange") this.follow()
    else if (type == "click") this.on_click(event)
    else if (type == "change" && target.closest(".ct-sort")) this.sort(target.value)
    else if (type != "change" && this.form && (target.form ?? target) == this.form) this.on_form(event)
  }

  connectedCallback() {
    const live = this.attr("live")
    addEventListener("hashchange", this)
    this.clock = live && setInterval(() => document.hidden || loadForm().then(() => this.poll(), () => {}), live * 1000)
    this.page = ""
    // The only words that the server does not send: in all languages they would need 500 bytes.
    if (!this.children.length) this.say("Loading comments…")
    if (!this.root) this.ariaBusy = "true"
    // Some routers change the address after the page.
    this.due = setTimeout(() => {
      if (this.root && this.loaded == this.thread) return
      this.watch = new IntersectionObserver(seen => seen.at(-1).isIntersecting && this.show(), { rootMargin: "600px" })
      const code = location.hash.match(/^#confirmed=(.+)/)?.[1]
      // Only one of the threads on the page gets it.
      if (code) history.replaceState(history.state, "", here())
      if (code) this.show().then(loadForm).then(() => this.prove(code))
      else if (this.linked || this.attr("loading") == "eager") this.show()
      else this.watch.observe(this)
    })
  }

  disconnectedCallback() {
    removeEventListener("hashchange", this)
    this.watch?.disconnect()
    clearInterval(this.clock)
    clearTimeout(this.due)
  }

  attributeChangedCallback() { if (this.loaded) this.show() }

  // The page that the element came with: its address may change while it is read.
  get thread() { return this.attr("thread") || (this.page ||= this.findPage()) }
  set thread(name) { this.setAttribute("thread", name) }
  get language() { return (this.closest("[lang]")?.lang || navigator.language).toLowerCase() }
  get linked() { return location.hash.match(/#(comment-\w+-[^#]+)$/)?.[1] }
  get root() { return this.querySelector("[data-thread]") }
  get form() { return this.querySelector("[data-write]") }
  get key() { return this.root.dataset.thread }
  get draft() { return `draft:${this.key}` }

  // With the attribute canonical, what <link rel=canonical> names if it is on the same site: this host, with or without
  // www or m. The host stays this one, which the service knows.
  findPage() {
    const link = document.createElement("a")
    link.href = this.hasAttribute("canonical") && document.querySelector("head [rel~=canonical]")?.href || location.href
    const named = link => link.host.replace(/^(www|m)\./, "")
    const { pathname, search } = named(link) == named(location) ? link : location
    return location.origin + pathname + search
  }

  attr(name) { return this.getAttribute(name) ?? "" }
  part(name) { return this.form?.querySelector(`.ct-${name}`) ?? this.querySelector(`.ct-${name}`) }
  find(id) { return id && this.querySelector(`#${CSS.escape(id)}`) }
  setStatus(words = "") { this.part("status")?.replaceChildren(words) }

  // ------------------------------------------------------------------ showing

  async show(at = this.linked) {
    this.watch?.disconnect()
    const turn = this.turn = {}
    this.loaded = this.thread
    this.ariaBusy = "true"
    try {
      const root = await this.load({ at: at?.slice(8) ?? "" })
      if (turn != this.turn) return
      const only = document.querySelectorAll("comment-thread").length < 2 || root.dataset.at == "shown"
      // The comment may be in another thread of this page.
      if (at && !only && this.root) return
      await this.put(root)
      if (this.find(this.linked)) this.reveal()
      else if (only) this.part("missing")?.focus()
      else this.part("missing")?.remove()
    } catch (error) {
      if (turn == this.turn) await loadForm().then(() => this.fail(error), () => this.say("Comments could not be loaded."))
    } finally {
      if (turn == this.turn) this.ariaBusy = null
    }
  }

  async load(more) {
    const asked = { lang: this.language, thread: this.thread, site: this.attr("site"), order: orders.find(order => order == store("order")) ?? this.attr("order"), ...more }
    // The browser asks whether its copy is the latest: the reader or a moderator may just have changed something.
    const response = await api(`comments.html?${encode(asked)}`, { cache: "no-cache" })
    const html = await response.text()
    if (!response.ok) throw html
    return parse(html)
  }

  async put(root) {
    const typed = this.root?.dataset.thread == root.dataset.thread && this.form?.elements.comment.value
    const again = this.part("again")?.matches(":focus")
    this.replaceChildren(root)
    this.ariaBusy = null
    if (again) this.part("title").focus()
    if (this.form) {
      this.form.noValidate = true
      this.part("save").hidden = false
      if (typed) this.form.elements.comment.value = typed
    }
    if (["me", "mine", this.draft].some(name => store(name))) await this.writing().then(() => this.showOwn()).catch(() => {})
  }

  // Says something where the comments should be.
  say(words) {
    this.part("state")?.remove()
    const state = this.appendChild(parse('<div class="ct-state" role="status" lang="en" dir="auto"></div>'))
    state.textContent = words
    return state
  }

  // Shows the comment that the address names.
  follow() {
    if (!this.linked || !this.loaded) return
    if (this.find(this.linked)) this.reveal()
    else this.show()
  }

  reveal() {
    const comment = this.find(this.linked)
    const branch = comment.closest("details")
    if (branch) branch.open = true
    this.part("missing")?.remove()
    if (location.hash == `#${comment.id}`) location.replace(location.href)
    else comment.scrollIntoView()
  }

  async sort(order) {
    store("order", order)
    await this.show("")
    this.querySelector(".ct-sort select")?.focus()
  }

  focusOn(comment) {
    if (!comment) return
    const branch = comment.closest("details")
    if (branch) branch.open = true
    comment.tabIndex = -1
    comment.focus()
  }

  // ------------------------------------------------------------------ events

  async on_click(event) {
    const link = event.target.closest("a, button")
    const does = link?.className.match(/ct-(again|copy|more|earlier|fresh|report|reply|edit|delete|cancel)\b/)?.[1]
    if (!does || event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    try { await this.writing() } catch {
      // A link leads where it leads without scripts.
      if (link.href) location.assign(link.href)
      return
    }
    try { this.focusOn(await this[does](link)) } catch { this.setStatus(this.form?.dataset.failed) }
  }

  // Events of the form wait until it is ready. Without embed-form.js, the second try sends it as a page without scripts.
  async on_form(event) {
    const submits = event.type == "submit"
    if (submits) event.preventDefault()
    try { await this.writing() } catch {
      if (!submits) return
      const { comment, parent } = this.form.elements
      store(this.draft, { comment: comment.value, parent: parent.value })
      if (this.form.dataset.tried) return this.form.submit()
      this.form.dataset.tried = "1"
      return this.setStatus(this.form.dataset.failed)
    }
    this[`on_${event.type}`](event)
  }

  // Loads the second script, and prepares the form once.
  async writing() {
    await loadForm()
    if (this.ready != this.root && this.form) this.prepare(this.ready = this.root)
  }
}

// Looks at the page, now and whenever it has changed: for this script where a thread should be, and for links to count.
const scan = async () => {
  const line = [...document.querySelectorAll("body script")].find(one => one.src.startsWith(`${home}embed.`) && one.dataset.counts == null)
  if (line && !document.querySelector("comment-thread")) line.after(document.createElement("comment-thread"))
  const named = link => link.dataset.commentCount || link.href.split("#")[0]
  const links = [...document.querySelectorAll("[data-comment-count]")].filter(link => link.counted != (link.counted = named(link)))
  const names = [...new Set(links.map(named))], lang = document.documentElement.lang || navigator.language
  try {
    // The server counts 200 threads at once.
    while (names.length) {
      const { counts, words } = await loadCounts(names.splice(0, 200), lang)
      for (const link of links) {
        const name = named(link)
        if (name in counts) link.textContent = (link.dataset.countAs == "number" ? counts : words)[name]
      }
    }
  } catch {}
}
let due
const start = () => {
  scan()
  new MutationObserver(() => due ??= setTimeout(() => scan(due = undefined), 50)).observe(document, { childList: true, subtree: true })
}
const refresh = () => document.hidden || document.querySelectorAll("comment-thread").forEach(tell)

customElements.define("comment-thread", CommentThread)
setInterval(refresh, 60000)
document.addEventListener("visibilitychange", refresh)
document.readyState == "loading" ? addEventListener("DOMContentLoaded", start) : start()
})()
