// More and new comments, links and reports for readers of <comment-thread>. Served with embed-form.js.
(() => {
const CommentThread = customElements.get("comment-thread")
const { api, encode, here, idOf, loadCounts, parse, repliesOf, store } = CommentThread.kit
// Until when a comment can be edited, in the reader's time zone. Only times with a class show their date.
CommentThread.kit.parse = html => {
  const element = parse(html)
  for (const time of element.querySelectorAll("time:not(.dt-published)")) {
    const dateStyle = time.className ? "medium" : undefined
    time.textContent = new Date(time.dateTime).toLocaleString(element.lang, { dateStyle, timeStyle: "short" })
  }
  return element
}
CommentThread.style("thread-form.css")
// The words if comments could not be loaded, by language.
CommentThread.words = "words"

const errorsOf = answer => {
  try { return JSON.parse(answer).errors ?? [] } catch { return [] }
}

Object.assign(CommentThread.prototype, {
  // ------------------------------------------------------------------ failures

  // Offers to try again. The page of an origin that is not allowed gets HTML that says so, and a wrong attribute of the
  // element an error that names it.
  fail(answer) {
    const foreign = parse(`${answer}`)
    if (foreign?.matches(".ct-foreign")) {
      this.replaceChildren(foreign)
      foreign.querySelector("code")?.append(location.origin)
      return
    }
    const again = this.part("again")?.matches(":focus")
    const [words, button] = CommentThread.words[this.language.slice(0, 2)] ?? CommentThread.words.en
    const state = this.say(words)
    state.lang = this.language
    state.classList.add("ct")
    for (const { field, detail } of errorsOf(answer)) state.append(` ${field}: ${detail}`)
    state.append(parse('<button class="ct-button ct-again" type="button"></button>'))
    state.lastChild.textContent = button
    if (again) state.lastChild.focus()
  },
  again() { return this.show() },

  // ------------------------------------------------------------------ more comments

  // Adds the comments that are not shown yet; returns the first of them.
  merge(from, into, put = "append") {
    const added = []
    let first
    for (const item of [...from.children]) {
      const [comment] = item.children
      const shown = this.find(comment.id)
      const replies = repliesOf(item)
      if (!shown) added.push(item)
      else if (shown.matches(".ct-pending, .ct-stub") && !comment.matches(".ct-stub")) shown.replaceWith(comment)
      const place = shown && this.find(comment.id)
      const fold = item.querySelector(":scope > .ct-branch > .ct-fold")
      if (place && fold) place.parentNode.querySelector(":scope > .ct-branch > .ct-fold")?.replaceWith(fold)
      const found = shown ? replies && this.merge(replies, this.list(place), put) : comment
      first ??= found
    }
    into[put](...added)
    return first
  },

  // The list of replies to a comment, or the thread's list.
  list(comment) {
    const owner = comment?.parentNode ?? this.root
    return repliesOf(owner) ?? owner.appendChild(parse('<div class="ct-list" role="list"></div>'))
  },

  async addPage(name, put) {
    const link = this.part(name)
    if (!link) return
    const page = await this.load({ cursor: link.dataset.cursor })
    link.replaceWith(...page.querySelectorAll(`.ct-${name}`))
    return this.merge(repliesOf(page), this.list(), put)
  },
  more() { return this.addPage("more") },
  earlier() { return this.addPage("earlier", "prepend") },

  // ------------------------------------------------------------------ new comments

  // Checks for new comments, and offers to show them.
  async poll() {
    try {
      const { count } = this.root.dataset
      if ((await this.count()).counts[this.thread] <= count) return
      this.offer = await this.load({ known: count, since: this.root.dataset.last })
      if (count == this.root.dataset.count) this.part("news").replaceChildren(...this.offer.querySelectorAll(".ct-fresh"))
    } catch {}
  },

  async fresh() {
    await this.recount()
    this.part("news").replaceChildren()
    return this.merge(repliesOf(this.offer), this.list(), this.root.dataset.order == "newest" ? "prepend" : "append")
  },

  count() { return loadCounts([this.thread], this.root.lang, this.attr("site")) },

  async recount() {
    try {
      const { counts, words } = await this.count()
      this.root.dataset.count = counts[this.thread]
      this.part("title").textContent = words[this.thread]
    } catch {}
    this.retitle()
  },

  // Above nothing but the reader's own comments, the heading says that they are not public.
  retitle() {
    const title = this.part("title"), own = this.querySelectorAll(".ct-pending").length
    if (own && this.root.dataset.count == 0) title.textContent = own > 1 ? title.dataset.more : title.dataset.one
  },

  // ------------------------------------------------------------------ a confirmed address

  // Exchanges the code of a confirmation for an author token, and says so. The code has left the address already.
  async prove(code) {
    let told
    try {
      const headers = { Accept: "text/html, application/problem+json", "Accept-Language": this.root?.lang || this.language }
      const body = encode({ code, site: this.attr("site"), author_token: store("author") ?? "" })
      const response = await api("proofs", { method: "POST", body, headers })
      if (response.ok) {
        told = parse(await response.text())
        store("author", told.dataset.author)
        delete told.dataset.author
      } else {
        told = parse('<div class="ct-proven" role="status" dir="auto"></div>')
        told.textContent = (await response.json()).detail
      }
    } catch {
      // The service did not answer: a reload tries again.
      return history.replaceState(history.state, "", `${here()}#confirmed=${code}`)
    }
    (this.root ?? this).prepend(told)
    this.focusOn(told)
  },

  // ------------------------------------------------------------------ one comment

  // Copies the address of a comment, or the text before the button.
  async copy(button) {
    const comment = button.closest(".ct-comment"), before = button.textContent
    const text = comment ? `${here()}#${comment.id}` : button.previousElementSibling.textContent
    try { await navigator.clipboard.writeText(text) } catch {
      // Browsers have no clipboard on http, and pages may forbid it.
      const field = document.createElement("textarea")
      field.value = text
      button.after(field)
      field.select()
      const copied = document.execCommand("copy")
      field.remove()
      button.focus()
      if (!copied) return comment && void location.assign(text)
    }
    button.ariaLive = "polite"
    button.textContent = button.dataset.done
    setTimeout(() => button.textContent = before, 4000)
  },


  // Opens the form below a comment, closes it, or sends it.
  report(link) {
    const comment = link.closest(".ct-comment")
    this.querySelector(".ct-report-form")?.remove()
    const form = this.querySelector("template.ct-reporting").content.firstElementChild.cloneNode(true)
    const say = words => form.querySelector(".ct-report-status").replaceChildren(words)
    const close = () => {
      form.remove()
      link.focus()
    }
    form.querySelector(".ct-cancel-report").addEventListener("click", event => {
      event.stopPropagation()
      close()
    })
    form.addEventListener("keydown", event => { if (event.key == "Escape") close() })
    form.addEventListener("submit", async event => {
      event.preventDefault()
      say(form.dataset.sending)
      try {
        const headers = { Accept: "text/html, application/problem+json", "Accept-Language": this.root.lang }
        const body = encode(new FormData(form))
        const response = await api(`comments/${idOf(comment)}/reports`, { method: "POST", body, headers })
        if (!response.ok) return say((await response.json()).detail)
        const thanks = parse('<div class="ct-small ct-thanks" role="status"></div>')
        thanks.textContent = form.dataset.done
        form.replaceWith(thanks)
        this.focusOn(thanks)
      } catch { say(form.dataset.failed) }
    })
    comment.append(form)
    form.elements.reason.focus()
  },
})
})()
