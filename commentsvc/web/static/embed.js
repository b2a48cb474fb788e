// Comments in a page: <comment-thread>, counts beside links, and a thread where this script stands in the body.
// It is served without comments and indentation, and with thread.css in the place of its name. It has no words of
// its own: what people read was written by the server, in their language.
(() => {
if (customElements.get("comment-thread")) return
const script = document.currentScript ?? document.querySelector('script[src*="/embed."]')
const home = new URL(".", script.src)
const plain = { createHTML: html => html }
const policy = window.trustedTypes?.createPolicy("commentsvc", plain) ?? plain
const sheet = new CSSStyleSheet()
sheet.replaceSync("thread.css")
document.adoptedStyleSheets.push(sheet)

const ask = (path, options) => fetch(`${home}v1/${path}`, options)
const form = fields => new URLSearchParams(fields)

// The server's HTML as an element, its times as the reader's own clock has them.
const made = html => {
  const template = document.createElement("template")
  template.innerHTML = policy.createHTML(html)
  const element = template.content.firstElementChild
  for (const time of element.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString(element.lang, { dateStyle: "medium", timeStyle: "short" })
  }
  return element
}

// What this browser keeps for the page's site; nothing, where it may not.
const kept = (name, value) => {
  try {
    name = `commentsvc:${name}`
    if (value === undefined) return JSON.parse(localStorage.getItem(name))
    if (value) localStorage.setItem(name, JSON.stringify(value))
    else localStorage.removeItem(name)
  } catch {}
}

const counted = async (threads, lang, site = "") => {
  const body = form([["lang", lang], ["site", site], ...threads.map(name => ["thread", name])])
  return (await ask("counts", { method: "POST", body })).json()
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
    const live = this.at("live")
    this.clock = live && setInterval(() => document.hidden || this.look(), live * 1000)
    this.watch = new IntersectionObserver(seen => seen.at(-1).isIntersecting && this.show(), { rootMargin: "600px" })
    if (this.linked || this.at("loading") == "eager") this.show()
    else this.watch.observe(this)
  }

  disconnectedCallback() {
    this.watch.disconnect()
    clearInterval(this.clock)
  }

  attributeChangedCallback() { if (this.watch) this.show() }

  get thread() { return this.at("thread") || location.href.split("#")[0] }
  set thread(name) { this.setAttribute("thread", name) }
  get linked() { return location.hash.match(/^#(comment-\w+-.+)/)?.[1] }
  get root() { return this.querySelector(".ct") }
  get form() { return this.querySelector("form") }
  get key() { return this.root.dataset.thread }
  get draft() { return `draft:${this.key}` }

  at(name) { return this.getAttribute(name) ?? "" }
  part(name) { return this.querySelector(`.ct-${name}`) }
  find(id) { return this.querySelector(`#${id}`) }
  say(words = "") { this.part("status")?.replaceChildren(words) }

  // ------------------------------------------------------------------ showing

  async show() {
    this.watch.disconnect()
    const { thread } = this
    try {
      const typed = this.form?.elements.comment.value
      const root = await this.fetched()
      if (thread != this.thread) return
      this.replaceChildren(root)
      if (this.form) this.prepare(typed)
      await this.own()
      while (this.linked && !this.find(this.linked) && await this.more());
      if (this.find(this.linked)) location.replace(location.href)
    } catch {
      if (!this.children.length) this.append(made(`<a href="${home}t?${form({ thread })}">Comments</a>`))
    }
  }

  async fetched(more) {
    const lang = this.closest("[lang]")?.lang || navigator.language
    const asked = { lang, thread: this.thread, site: this.at("site"), order: this.at("order"), ...more }
    const response = await ask(`comments.html?${form(asked)}`, { cache: this.linked ? "no-cache" : "default" })
    if (!response.ok) throw response
    return made(await response.text())
  }

  // Adds what is not shown yet; returns the first of it.
  merge(from, into, put = "append") {
    let first
    for (const item of [...from.children]) {
      const [comment] = item.children
      const shown = this.find(comment.id)
      const replies = repliesOf(item)
      if (!shown) into[put](item)
      else if (shown.matches(".ct-waits")) shown.replaceWith(comment)
      const found = shown ? replies && this.merge(replies, this.list(shown)) : comment
      first ??= found
    }
    return first
  }

  // The list of the replies to a comment; without one, the thread's.
  list(comment) {
    const owner = comment?.parentNode ?? this.root
    return repliesOf(owner) ?? owner.appendChild(made('<div class="ct-list" role="list"></div>'))
  }

  async more() {
    const link = this.part("more")
    if (!link) return
    const page = await this.fetched({ cursor: link.dataset.cursor })
    link.replaceWith(...page.querySelectorAll(".ct-more"))
    return this.merge(repliesOf(page), this.list())
  }

  // Asks whether there is more than is shown, and offers it.
  async look() {
    try {
      const { count } = this.root.dataset
      if ((await this.count()).counts[this.thread] <= count) return
      this.offer = await this.fetched({ known: count, since: this.root.dataset.last })
      if (count == this.root.dataset.count) this.part("news").replaceChildren(...this.offer.querySelectorAll(".ct-fresh"))
    } catch {}
  }

  async fresh() {
    await this.recount()
    this.part("news").replaceChildren()
    return this.merge(repliesOf(this.offer), this.list(), this.at("order") == "newest" ? "prepend" : "append")
  }

  count() { return counted([this.thread], this.root.lang, this.at("site")) }

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

  // ------------------------------------------------------------------ one's own comments

  // Those that wait, and those that can still be changed.
  async own() {
    for (const [id, mine] of Object.entries(kept("mine") ?? {})) {
      if (mine.thread != this.key) continue
      const response = await this.call(id)
      const comment = response.ok ? this.place(made(await response.text())) : null
      if (response.status < 500 && !comment?.matches(".ct-waits, :has(.ct-edit)")) this.keep(id)
    }
  }

  keep(id, token) {
    kept("mine", { ...kept("mine"), [id]: token && { token, thread: this.key } })
  }

  // Puts it where it belongs.
  place(item) {
    const [comment] = item.children
    const shown = this.find(comment.id)
    if (shown) shown.replaceWith(comment)
    else this.list(this.find(`comment-${item.dataset.parent}`)).append(item)
    return comment
  }

  // Asks for one comment, by its token; or, without its id, sends a new one.
  call(id, method, body) {
    const headers = { Accept: "text/html, application/problem+json", "Accept-Language": this.root.lang }
    if (id) headers.Authorization = `Bearer ${kept("mine")?.[id]?.token}`
    if (method == "PATCH") headers["Content-Type"] = "application/json"
    return ask(id ? `comments/${id}` : "comments", { method, body, headers })
  }

  // ------------------------------------------------------------------ the form

  // As its writer left it.
  prepare(typed) {
    const { elements } = this.form
    this.form.noValidate = true
    this.started = this.submission = this.opener = this.editing = undefined
    this.label()
    const me = kept("me")
    if (me) {
      this.part("box").checked = true
      elements.name.value = me.name
      elements.email.value = me.email
    }
    const draft = kept(this.draft)
    elements.comment.value = draft?.comment || typed || ""
    const link = this.querySelector(`#comment-${draft?.parent} .ct-reply`)
    if (link) this.open(link)
  }

  label(heading = this.form.dataset.write, button = this.form.dataset.post) {
    this.part("heading").textContent = heading
    this.part("send").textContent = button
    this.part("cancel").hidden = !this.opener
    for (const part of this.querySelectorAll(".ct-who")) part.hidden = this.editing
  }

  // Moves it under a comment.
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

  // Takes it back to its place.
  cancel() {
    const { opener } = this
    if (!opener) return
    const { comment, parent } = this.form.elements
    parent.value = ""
    if (this.editing) comment.value = kept(this.draft)?.comment ?? ""
    this.opener = this.editing = undefined
    this.part("write").append(this.form)
    this.label()
    this.say()
    opener.focus()
  }

  async withdraw(button) {
    const { sure } = button.dataset
    button.dataset.sure = ""
    if (sure) {
      button.textContent = sure
      return
    }
    const comment = button.closest(".ct-comment")
    const item = comment.parentNode
    const response = await this.call(idOf(comment), "DELETE")
    if (!response.ok) return this.say((await response.json()).detail)
    this.keep(idOf(comment))
    if (item.contains(this.form)) this.cancel();
    (repliesOf(item) ? comment : item).remove()
    this.part("title").focus()
    return this.recount()
  }

  // ------------------------------------------------------------------ what people do

  async on_click(event) {
    const link = event.target.closest(".ct-link")
    const does = ["reply", "edit", "withdraw", "cancel", "more", "fresh"].find(name => link?.matches(`.ct-${name}`))
    if (!does || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    try { this.focusOn(await this[does](link)) } catch { this.say(this.form?.dataset.failed) }
  }

  on_focusin({ target }) {
    if (!target.form || this.started !== undefined) return
    this.started = ""
    ask(`form?${form({ thread: this.thread })}`).then(answer => answer.json()).then(({ started = "" }) => this.started = started, () => {})
  }

  on_input() {
    this.submission = undefined
    if (this.editing) return
    const { comment, parent } = this.form.elements
    kept(this.draft, comment.value && { comment: comment.value, parent: parent.value })
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
    this.mend({ errors: [], detail: this.form.dataset.sending })
    try {
      const response = await this.sent()
      if (response.ok) await this.taken(made(await response.text()))
      else this.mend(await response.json())
    } catch { this.say(this.form.dataset.failed) }
    button.ariaDisabled = null
  }

  sent() {
    const fields = new FormData(this.form)
    if (this.editing) return this.call(this.editing, "PATCH", JSON.stringify({ comment: fields.get("comment") }))
    this.submission ??= `${crypto.getRandomValues(new Uint32Array(4))}`
    const { submission, started = "" } = this
    const more = { submission, started, author_token: kept("author") ?? "", title: document.title }
    for (const name in more) fields.set(name, more[name])
    return this.call("", "POST", form(fields))
  }

  // What is wrong, beside the fields.
  mend({ title, detail, errors }) {
    let first
    for (const input of this.querySelectorAll(".ct-input")) {
      const fault = errors.find(one => one.field == input.name)
      input.ariaInvalid = fault ? "true" : null
      input.nextElementSibling.textContent = fault?.detail ?? ""
      if (fault) first ??= input
    }
    this.say(first ? title : detail)
    first?.focus()
  }

  taken(item) {
    const { edit, author } = item.dataset
    const { name, email, comment } = this.form.elements
    delete item.dataset.edit
    delete item.dataset.author
    kept("author", author)
    this.keep(idOf(item.firstElementChild), edit)
    if (!this.editing) {
      kept("me", this.part("box").checked && { name: name.value, email: email.value })
      kept(this.draft, null)
      comment.value = ""
      this.started = this.submission = undefined
    }
    this.say()
    this.cancel()
    const placed = this.place(item)
    this.focusOn(placed)
    if (!placed.matches(".ct-waits")) return this.recount()
  }
}

const begin = async () => {
  if (script.closest("body") && !document.querySelector("comment-thread")) script.after(made("<comment-thread></comment-thread>"))
  const links = [...document.querySelectorAll("[data-comment-count]")]
  const named = link => link.dataset.commentCount || link.href.split("#")[0]
  if (!links.length) return
  const { words } = await counted([...new Set(links.map(named))], document.documentElement.lang || navigator.language)
  for (const link of links) link.textContent = words[named(link)]
}

customElements.define("comment-thread", CommentThread)
document.readyState == "loading" ? addEventListener("DOMContentLoaded", begin) : begin()
})()
