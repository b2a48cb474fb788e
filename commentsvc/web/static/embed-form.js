// What only commenters need of <comment-thread>: the form, and their own comments. embed.js loads it when the form is first
// used, or at once for somebody who has a draft, a saved name or a comment that can still be changed.
(() => {
const CommentThread = customElements.get("comment-thread")
const { api, encode, parse, store, idOf, repliesOf } = CommentThread.kit

// The server puts in the list, and has the same rule in domain/email_typos.py.
const domains = "email_typos.py".split(" ")
const differsByOne = (typed, known) => {
  let start = 0
  while (start < typed.length && typed[start] == known[start]) start++
  const [rest, due] = [typed.slice(start), known.slice(start)]
  const swapped = due[1] + due[0] == rest.slice(0, 2) && due.slice(2) == rest.slice(2)
  return [rest, rest.slice(1)].includes(due.slice(1)) || due == rest.slice(1) || swapped
}
const suggestAddress = address => {
  const [, local, typed] = address.trim().match(/^(.+)@(.*)$/) ?? []
  const domain = typed?.toLowerCase()
  if (!local || domains.includes(domain)) return
  const meant = domains.find(known => {
    const ending = known.slice(known.lastIndexOf("."))
    return known.length > 8 && (ending.length > 3 || domain.endsWith(ending)) && differsByOne(domain, known)
  })
  return meant && `${local}@${meant}`
}

Object.assign(CommentThread.prototype, {
  // ------------------------------------------------------------------ the writer's own comments

  // Shows those that are pending or can still be changed.
  async showOwn() {
    for (const [id, mine] of Object.entries(store("mine") ?? {})) {
      if (mine.thread != this.key) continue
      const response = await this.send(id)
      const comment = response.ok ? this.insert(parse(await response.text())) : null
      if (response.status < 500 && !comment?.matches(".ct-pending, :has(.ct-delete)")) this.remember(id)
    }
    this.retitle()
  },

  remember(id, token) {
    const { [id]: _, ...mine } = store("mine") ?? {}
    if (token) mine[id] = { token, thread: this.key }
    store("mine", Object.keys(mine).length && mine)
  },

  // Puts a comment where it belongs.
  insert(item) {
    const [comment] = item.children
    const shown = this.find(comment.id)
    if (shown) shown.replaceWith(comment)
    else this.list(this.find(`comment-${item.dataset.parent}`)).append(item)
    return comment
  },

  // Calls the API for one of the reader's comments, with its edit token; without an id, posts a new one.
  send(id, method, body) {
    const headers = { Accept: "text/html, application/problem+json", "Accept-Language": this.root.lang }
    if (id) headers.Authorization = `Bearer ${store("mine")?.[id]?.token}`
    if (method == "PATCH") headers["Content-Type"] = "application/json"
    return api(id ? `comments/${id}` : "comments", { method, body, headers })
  },

  // ------------------------------------------------------------------ the form

  // Restores the draft and the saved name and email, beside what is typed already.
  prepare() {
    const { elements } = this.form
    this.started = this.submission = this.opener = this.editing = undefined
    this.root.addEventListener("click", event => this.on_press(event))
    this.label()
    const me = store("me")
    if (me) {
      this.querySelector(".ct-save input").checked = true
      for (const name in me) if (elements[name]) elements[name].value ||= me[name]
    }
    const draft = store(this.draft)
    elements.comment.value ||= draft?.comment ?? ""
    this.measure()
    if (!draft?.parent) return
    // Nobody finds a form that is folded away: there it stays in its place, and says so.
    const link = this.querySelector(`#comment-${draft.parent} .ct-reply`)
    if (link && !link.closest("details:not([open])")) this.open(link)
    else this.part("moved").hidden = false
  },

  label(heading = this.form.dataset.write, button = this.form.dataset.post) {
    this.closePreview()
    this.part("moved").hidden = true
    this.part("heading").textContent = heading
    this.part("send").textContent = button
    this.part("cancel").hidden = !this.opener
    for (const part of this.querySelectorAll(".ct-author")) part.hidden = this.editing
  },

  // Moves the form under a comment.
  open(link) {
    this.cancel()
    const comment = link.closest(".ct-comment")
    this.opener = link
    comment.after(this.form)
    this.form.elements.parent.value = idOf(comment)
    this.label(link.ariaLabel, this.form.dataset.reply)
  },

  reply(link) {
    this.open(link)
    this.form.elements.comment.focus()
  },

  edit(link) {
    this.reply(link)
    this.editing = idOf(link.closest(".ct-comment"))
    this.label(link.ariaLabel, this.form.dataset.save)
    this.form.elements.comment.value = link.dataset.text
    this.measure()
  },

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
    this.measure()
    this.setStatus()
    opener.focus()
  },

  // Brings a reply back to where a link says that the form is. An edit stays: its text is no draft.
  comeBack() {
    if (!this.editing) this.cancel()
    this.form.elements.comment.focus()
  },

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
  },

  // ------------------------------------------------------------------ events

  on_press(event) {
    const does = { [`[href$="#${this.part("write").id}"]`]: "comeBack", ".ct-look": "look", ".ct-take": "take" }
    const name = Object.keys(does).find(selector => event.target.closest(selector))
    if (!name || (does[name] == "comeBack" && !this.opener)) return
    event.preventDefault()
    event.stopPropagation()
    this[does[name]]()
  },

  on_focusin({ target }) {
    if (target.matches(".ct-input:not([name=email])")) this.suggest()
    if (this.started !== undefined) return
    this.started = ""
    api(`form?${encode({ thread: this.thread })}`).then(answer => answer.json()).then(({ started = "" }) => this.started = started, () => {})
  },

  on_input({ target }) {
    this.submission = undefined
    this.clearError(target)
    if (target.name == "comment") this.measure()
    if (target.name == "email") {
      this.part("mean").replaceChildren()
      clearTimeout(this.pause)
      this.pause = setTimeout(() => this.suggest(), 1000)
    }
    if (this.editing) return
    const { comment, parent } = this.form.elements
    store(this.draft, comment.value && { comment: comment.value, parent: parent.value })
  },

  on_keydown({ key, ctrlKey, metaKey, isComposing, target }) {
    if (isComposing) return
    if (key == "Enter" && (ctrlKey || metaKey)) target.form.requestSubmit()
    if (key == "Escape") this.cancel()
  },

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
  },

  submit() {
    const fields = new FormData(this.form)
    if (this.editing) return this.send(this.editing, "PATCH", JSON.stringify({ comment: fields.get("comment") }))
    this.submission ??= `${crypto.getRandomValues(new Uint32Array(4))}`
    const { submission, started = "" } = this
    const more = { submission, started, author_token: store("author") ?? "", title: document.title }
    for (const name in more) fields.set(name, more[name])
    return this.send("", "POST", encode(fields))
  },

  // Shows errors beside their fields.
  showErrors({ detail, errors }) {
    let first
    for (const input of this.form.querySelectorAll("[aria-describedby]")) {
      const fault = errors.find(one => one.field == input.name)
      input.ariaInvalid = fault ? "true" : null
      this.faultOf(input).textContent = fault?.detail ?? ""
      if (fault) first ??= input
    }
    if (first) this.closePreview()
    this.setStatus(first ? this.form.dataset.check : detail)
    first?.focus()
  },

  faultOf(input) { return this.find(input.getAttribute("aria-describedby").split(" ")[0]) },

  // Removes the error of a field when it is corrected, as far as a browser can tell.
  clearError(input) {
    if (!input.ariaInvalid) return
    const { value, required, name } = input
    const wrong = !value.trim() ? required : name == "email" ? !/\S@\S+\.\S/.test(value) : name == "comment" && this.charactersLeft() < 0
    if (wrong || (input.type == "checkbox" && !input.checked)) return
    input.ariaInvalid = null
    this.faultOf(input).textContent = ""
    if (!this.form.querySelector("[aria-invalid]")) this.setStatus()
  },

  charactersLeft() { return this.form.dataset.length - [...this.form.elements.comment.value].length },

  // Counts the last 500 characters that a comment may have.
  measure() {
    const { length, left, over } = this.form.dataset
    const rest = this.charactersLeft()
    const number = Math.abs(rest)
    const words = JSON.parse(rest < 0 ? over : left)[new Intl.PluralRules(this.root.lang).select(number)]
    this.part("left").textContent = rest > Math.min(500, length / 2) ? "" : words.replace("#", number)
  },

  // Shows the comment as readers will see it, in the place of its field; or the field again.
  async look() {
    const { comment } = this.form.elements
    if (comment.hidden) {
      this.closePreview()
      return comment.focus()
    }
    try {
      const headers = { "Accept-Language": this.root.lang }
      const response = await api("preview", { method: "POST", body: encode({ comment: comment.value }), headers })
      const answer = await response.json()
      if (!response.ok) return this.showErrors(answer)
      this.closePreview()
      comment.before(parse(`<div class="ct-preview ct-text" dir="auto">${answer.html}</div>`))
      this.switchPreview(true)
      this.focusOn(this.part("preview"))
    } catch { this.setStatus(this.form.dataset.failed) }
  },

  closePreview() {
    this.part("preview")?.remove()
    if (this.form.elements.comment.hidden) this.switchPreview(false)
  },

  switchPreview(open) {
    this.form.elements.comment.hidden = this.part("hint").hidden = open
    this.part("looks").hidden = !open
    const button = this.part("look")
    const { back } = button.dataset
    button.dataset.back = button.textContent
    button.textContent = back
  },

  // Offers the address that was probably meant; it changes nothing by itself.
  suggest() {
    clearTimeout(this.pause)
    const meant = suggestAddress(this.form.elements.email.value)
    if (!meant || this.part("take")?.textContent == meant) return
    const [before, after] = this.form.dataset.mean.split("#")
    const button = document.createElement("button")
    Object.assign(button, { type: "button", className: "ct-link ct-take", textContent: meant, dir: "ltr" })
    this.part("mean").replaceChildren(before, button, after)
  },

  take() {
    const { email } = this.form.elements
    email.value = this.part("take").textContent
    this.part("mean").replaceChildren()
    this.clearError(email)
    email.focus()
  },

  showPosted(item) {
    const { edit, author } = item.dataset
    const { name, email, website, comment, consent } = this.form.elements
    delete item.dataset.edit
    delete item.dataset.author
    store("author", author)
    this.remember(idOf(item.firstElementChild), edit)
    if (!this.editing) {
      const kept = this.querySelector(".ct-save input").checked
      store("me", kept && { name: name.value, email: email.value, website: website?.value })
      if (consent) consent.checked = false
      store(this.draft, null)
      comment.value = ""
      this.started = this.submission = undefined
    }
    this.setStatus()
    this.cancel()
    this.label()
    this.measure()
    const placed = this.insert(item)
    this.focusOn(placed)
    this.retitle()
    if (!placed.matches(".ct-pending")) return this.recount()
  },
})
})()
