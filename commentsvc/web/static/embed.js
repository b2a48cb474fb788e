// Comments in a page: <comment-thread>, counts beside links, and a thread where this script is in the body.
// It is served without comments and indentation, and with thread.css in the place of its name. It contains no texts:
// the server sends all of them, in the reader's language.
(() => {
if (customElements.get("comment-thread")) return
const script = document.currentScript ?? document.querySelector('script[src*="/embed."]')
const home = new URL(".", script.src)
const plain = { createHTML: html => html }
const policy = window.trustedTypes?.createPolicy("commentsvc", plain) ?? plain
const sheet = new CSSStyleSheet()
sheet.replaceSync("thread.css")
document.adoptedStyleSheets.push(sheet)

const api = (path, options) => fetch(`${home}v1/${path}`, options)
const encode = fields => new URLSearchParams(fields)

// The server's HTML as an element, its times in the reader's time zone. Only times with a class show their date.
const parse = html => {
  const template = document.createElement("template")
  template.innerHTML = policy.createHTML(html)
  const element = template.content.firstElementChild
  for (const time of element.querySelectorAll("time")) {
    const dateStyle = time.className ? "medium" : undefined
    time.textContent = new Date(time.dateTime).toLocaleString(element.lang, { dateStyle, timeStyle: "short" })
  }
  return element
}

// Reads or writes the localStorage of the page's site; does nothing where the browser forbids it.
const store = (name, value) => {
  try {
    name = `commentsvc:${name}`
    if (value === undefined) return JSON.parse(localStorage.getItem(name))
    if (value) localStorage.setItem(name, JSON.stringify(value))
    else localStorage.removeItem(name)
  } catch {}
}

const loadCounts = async (threads, lang, site = "") => {
  const body = encode([["lang", lang], ["site", site], ...threads.map(name => ["thread", name])])
  return (await api("counts", { method: "POST", body })).json()
}

const idOf = comment => comment.id.slice(8)
const repliesOf = item => item.querySelector(":scope > .ct-list")

class CommentThread extends HTMLElement {
  static observedAttributes = ["thread"]

  constructor() {
    super()
    for (const kind of ["click", "submit", "input", "keydown", "focusin"]) this.addEventListener(kind, this)
  }

  handleEvent(event) { this[`on_${event.type}`](event) }

  connectedCallback() {
    const live = this.attr("live")
    this.clock = live && setInterval(() => document.hidden || this.poll(), live * 1000)
    this.watch = new IntersectionObserver(seen => seen.at(-1).isIntersecting && this.show(), { rootMargin: "600px" })
    if (this.linked || this.attr("loading") == "eager") this.show()
    else this.watch.observe(this)
  }

  disconnectedCallback() {
    this.watch.disconnect()
    clearInterval(this.clock)
  }

  attributeChangedCallback() { if (this.watch) this.show() }

  get thread() { return this.attr("thread") || this.page }
  set thread(name) { this.setAttribute("thread", name) }
  // With the attribute canonical, what <link rel=canonical> names if it is on the same site: this host, with or without
  // www or m. The host stays this one, which the service knows.
  get page() {
    const link = document.createElement("a")
    link.href = this.hasAttribute("canonical") && document.querySelector("head [rel~=canonical]")?.href || location.href
    const named = link => link.host.replace(/^(www|m)\./, "")
    const { pathname, search } = named(link) == named(location) ? link : location
    return location.origin + pathname + search
  }
  get linked() { return location.hash.match(/^#(comment-\w+-.+)/)?.[1] }
  get root() { return this.querySelector(".ct") }
  get form() { return this.querySelector("form") }
  get key() { return this.root.dataset.thread }
  get draft() { return `draft:${this.key}` }

  attr(name) { return this.getAttribute(name) ?? "" }
  part(name) { return this.querySelector(`.ct-${name}`) }
  find(id) { return this.querySelector(`#${id}`) }
  setStatus(words = "") { this.part("status")?.replaceChildren(words) }

  // ------------------------------------------------------------------ showing

  async show() {
    this.watch.disconnect()
    const { thread } = this
    try {
      const typed = this.form?.elements.comment.value
      const root = await this.load()
      if (thread != this.thread) return
      this.replaceChildren(root)
      if (this.form) this.prepare(typed)
      await this.showOwn()
      while (this.linked && !this.find(this.linked) && await this.more());
      if (this.find(this.linked)) location.replace(location.href)
    } catch {
      if (!this.children.length) this.append(parse(`<a href="${home}t?${encode({ thread })}">Comments</a>`))
    }
  }

  async load(more) {
    const lang = this.closest("[lang]")?.lang || navigator.language
    const asked = { lang, thread: this.thread, site: this.attr("site"), order: this.attr("order"), ...more }
    const response = await api(`comments.html?${encode(asked)}`, { cache: this.linked ? "no-cache" : "default" })
    if (!response.ok) throw response
    return parse(await response.text())
  }

  // Adds the comments that are not shown yet; returns the first of them.
  merge(from, into, put = "append") {
    let first
    for (const item of [...from.children]) {
      const [comment] = item.children
      const shown = this.find(comment.id)
      const replies = repliesOf(item)
      if (!shown) into[put](item)
      else if (shown.matches(".ct-pending")) shown.replaceWith(comment)
      const found = shown ? replies && this.merge(replies, this.list(shown)) : comment
      first ??= found
    }
    return first
  }

  // The list of replies to a comment, or the thread's list.
  list(comment) {
    const owner = comment?.parentNode ?? this.root
    return repliesOf(owner) ?? owner.appendChild(parse('<div class="ct-list" role="list"></div>'))
  }

  async more() {
    const link = this.part("more")
    if (!link) return
    const page = await this.load({ cursor: link.dataset.cursor })
    link.replaceWith(...page.querySelectorAll(".ct-more"))
    return this.merge(repliesOf(page), this.list())
  }

  // Checks for new comments, and offers to show them.
  async poll() {
    try {
      const { count } = this.root.dataset
      if ((await this.count()).counts[this.thread] <= count) return
      this.offer = await this.load({ known: count, since: this.root.dataset.last })
      if (count == this.root.dataset.count) this.part("news").replaceChildren(...this.offer.querySelectorAll(".ct-fresh"))
    } catch {}
  }

  async fresh() {
    await this.recount()
    this.part("news").replaceChildren()
    return this.merge(repliesOf(this.offer), this.list(), this.attr("order") == "newest" ? "prepend" : "append")
  }

  count() { return loadCounts([this.thread], this.root.lang, this.attr("site")) }

  async recount() {
    try {
      const { counts, words } = await this.count()
      this.root.dataset.count = counts[this.thread]
      this.part("title").textContent = words[this.thread]
    } catch {}
  }

  focusOn(comment) {
    if (!comment) return
    comment.tabIndex = -1
    comment.focus()
  }

  // ------------------------------------------------------------------ the reader's own comments

  // Shows those that are pending or can still be changed.
  async showOwn() {
    for (const [id, mine] of Object.entries(store("mine") ?? {})) {
      if (mine.thread != this.key) continue
      const response = await this.send(id)
      const comment = response.ok ? this.insert(parse(await response.text())) : null
      if (response.status < 500 && !comment?.matches(".ct-pending, :has(.ct-edit)")) this.remember(id)
    }
  }

  remember(id, token) {
    store("mine", { ...store("mine"), [id]: token && { token, thread: this.key } })
  }

  // Puts a comment where it belongs.
  insert(item) {
    const [comment] = item.children
    const shown = this.find(comment.id)
    if (shown) shown.replaceWith(comment)
    else this.list(this.find(`comment-${item.dataset.parent}`)).append(item)
    return comment
  }

  // Calls the API for one of the reader's comments, with its edit token; without an id, posts a new one.
  send(id, method, body) {
    const headers = { Accept: "text/html, application/problem+json", "Accept-Language": this.root.lang }
    if (id) headers.Authorization = `Bearer ${store("mine")?.[id]?.token}`
    if (method == "PATCH") headers["Content-Type"] = "application/json"
    return api(id ? `comments/${id}` : "comments", { method, body, headers })
  }

  // ------------------------------------------------------------------ the form

  // Restores the draft and the saved name and email.
  prepare(typed) {
    const { elements } = this.form
    this.form.noValidate = true
    this.started = this.submission = this.opener = this.editing = undefined
    this.label()
    const me = store("me")
    if (me) {
      this.part("box").checked = true
      elements.name.value = me.name
      elements.email.value = me.email
    }
    const draft = store(this.draft)
    elements.comment.value = draft?.comment || typed || ""
    const link = this.querySelector(`#comment-${draft?.parent} .ct-reply`)
    if (link) this.open(link)
  }

  label(heading = this.form.dataset.write, button = this.form.dataset.post) {
    this.part("heading").textContent = heading
    this.part("send").textContent = button
    this.part("cancel").hidden = !this.opener
    for (const part of this.querySelectorAll(".ct-author")) part.hidden = this.editing
  }

  // Moves the form under a comment.
  open(link) {
    this.cancel()
    const comment = link.closest(".ct-comment")
    this.opener = link
    comment.after(this.form)
    this.form.elements.parent.value = idOf(comment)
    this.label(link.ariaLabel, this.form.dataset.reply)
  }

  reply(link) {
    this.open(link)
    this.form.elements.comment.focus()
  }

  edit(link) {
    this.reply(link)
    this.editing = idOf(link.closest(".ct-comment"))
    this.label(link.ariaLabel, this.form.dataset.save)
    this.form.elements.comment.value = link.dataset.text
  }

  // Moves the form back to its place.
  cancel() {
    const { opener } = this
    if (!opener) return
    const { comment, parent } = this.form.elements
    parent.value = ""
    if (this.editing) comment.value = store(this.draft)?.comment ?? ""
    this.opener = this.editing = undefined
    this.part("write").append(this.form)
    this.label()
    this.setStatus()
    opener.focus()
  }

  async delete(button) {
    const { confirm } = button.dataset
    button.dataset.confirm = ""
    if (confirm) {
      button.textContent = confirm
      return
    }
    const comment = button.closest(".ct-comment")
    const item = comment.parentNode
    const response = await this.send(idOf(comment), "DELETE")
    if (!response.ok) return this.setStatus((await response.json()).detail)
    this.remember(idOf(comment))
    if (item.contains(this.form)) this.cancel();
    (repliesOf(item) ? comment : item).remove()
    this.part("title").focus()
    return this.recount()
  }

  // ------------------------------------------------------------------ events

  async on_click(event) {
    const link = event.target.closest(".ct-link")
    const does = ["reply", "edit", "delete", "cancel", "more", "fresh"].find(name => link?.matches(`.ct-${name}`))
    if (!does || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    try { this.focusOn(await this[does](link)) } catch { this.setStatus(this.form?.dataset.failed) }
  }

  on_focusin({ target }) {
    if (!target.form || this.started !== undefined) return
    this.started = ""
    api(`form?${encode({ thread: this.thread })}`).then(answer => answer.json()).then(({ started = "" }) => this.started = started, () => {})
  }

  on_input() {
    this.submission = undefined
    if (this.editing) return
    const { comment, parent } = this.form.elements
    store(this.draft, comment.value && { comment: comment.value, parent: parent.value })
  }

  on_keydown({ key, ctrlKey, metaKey, isComposing, target }) {
    if (!target.form || isComposing) return
    if (key == "Enter" && (ctrlKey || metaKey)) target.form.requestSubmit()
    if (key == "Escape") this.cancel()
  }

  async on_submit(event) {
    event.preventDefault()
    const button = this.part("send")
    if (button.ariaDisabled) return
    button.ariaDisabled = "true"
    this.showErrors({ errors: [], detail: this.form.dataset.sending })
    try {
      const response = await this.submit()
      if (response.ok) await this.showPosted(parse(await response.text()))
      else this.showErrors(await response.json())
    } catch { this.setStatus(this.form.dataset.failed) }
    button.ariaDisabled = null
  }

  submit() {
    const fields = new FormData(this.form)
    if (this.editing) return this.send(this.editing, "PATCH", JSON.stringify({ comment: fields.get("comment") }))
    this.submission ??= `${crypto.getRandomValues(new Uint32Array(4))}`
    const { submission, started = "" } = this
    const more = { submission, started, author_token: store("author") ?? "", title: document.title }
    for (const name in more) fields.set(name, more[name])
    return this.send("", "POST", encode(fields))
  }

  // Shows errors beside their fields.
  showErrors({ title, detail, errors }) {
    let first
    for (const input of this.querySelectorAll(".ct-input")) {
      const fault = errors.find(one => one.field == input.name)
      input.ariaInvalid = fault ? "true" : null
      input.nextElementSibling.textContent = fault?.detail ?? ""
      if (fault) first ??= input
    }
    this.setStatus(first ? title : detail)
    first?.focus()
  }

  showPosted(item) {
    const { edit, author } = item.dataset
    const { name, email, comment } = this.form.elements
    delete item.dataset.edit
    delete item.dataset.author
    store("author", author)
    this.remember(idOf(item.firstElementChild), edit)
    if (!this.editing) {
      store("me", this.part("box").checked && { name: name.value, email: email.value })
      store(this.draft, null)
      comment.value = ""
      this.started = this.submission = undefined
    }
    this.setStatus()
    this.cancel()
    const placed = this.insert(item)
    this.focusOn(placed)
    if (!placed.matches(".ct-pending")) return this.recount()
  }
}

const start = async () => {
  if (script.closest("body") && !document.querySelector("comment-thread")) script.after(parse("<comment-thread></comment-thread>"))
  const links = [...document.querySelectorAll("[data-comment-count]")]
  const named = link => link.dataset.commentCount || link.href.split("#")[0]
  if (!links.length) return
  const { words } = await loadCounts([...new Set(links.map(named))], document.documentElement.lang || navigator.language)
  for (const link of links) link.textContent = words[named(link)]
}

customElements.define("comment-thread", CommentThread)
document.readyState == "loading" ? addEventListener("DOMContentLoaded", start) : start()
})()
