// Served before embed.js under the names that themes load for Isso, Remark42 and Cusdis: the places where these show
// comments get a <comment-thread>, and their links a count. Such a script may run again on each new page.
(() => {
const config = () => window.remark_config ?? {}
// Templates that nobody filled in name no page, and an element with the id remark_config has no texts.
const filled = text => typeof text == "string" && !text.includes("{{") ? text : ""

// The element of each system, and the thread and language that it names. An id at the script of Isso has no effect:
// themes print the same one on every page.
const places = {
  "isso-thread": place => [place.dataset.issoId, document.querySelector("script[data-isso-lang]")?.dataset.issoLang],
  remark42: () => [config().url, config().locale],
  cusdis_thread: ({ dataset }) => [filled(dataset.pageUrl) || filled(dataset.pageId)],
}

const show = (place, [thread, lang]) => {
  if (!place || place.querySelector("comment-thread")) return
  const element = document.createElement("comment-thread")
  // Without a name, it is the address of the page.
  if (filled(thread)) element.setAttribute("thread", thread)
  if (filled(lang)) element.lang = lang.replace("_", "-")
  place.replaceChildren(element) // themes write "Loading" there
}

// In the place of another thread, if there is one.
const change = (place, named) => {
  const shown = place?.querySelector("comment-thread")
  if (shown && (shown.getAttribute("thread") ?? "") != filled(named[0])) shown.remove()
  show(place, named)
}

const count = (selector, name, how = "words") => {
  for (const element of document.querySelectorAll(`${selector}:not([data-comment-count])`)) {
    element.dataset.commentCount = name(element) || location.href.split("#")[0]
    element.dataset.countAs = how
  }
}

const look = () => {
  for (const id in places) {
    const place = document.getElementById(id)
    if (place) show(place, places[id](place))
  }
  count('a[href$="#isso-thread"]', link => link.dataset.issoId || link.pathname + link.search)
  count(".remark42__counter", element => element.dataset.url, "number")
  count("[data-cusdis-count-page-id]", element => element.dataset.cusdisCountPageId, "number")
}

// For the thread of another page in the same place.
const restart = () => {
  for (const id in places) document.querySelector(`#${id} > comment-thread`)?.remove()
  look()
}

// Pages that change without loading call these.
const nothing = () => {}
window.Isso ??= { init: restart, initWidget: nothing, fetchComments: restart }
const destroy = () => document.querySelectorAll("#remark42 > comment-thread").forEach(element => element.remove())
window.REMARK42 ??= {
  createInstance: given => {
    const { node, url, locale } = given ?? {}
    change(node?.append ? node : document.getElementById("remark42"), [url ?? config().url, locale ?? config().locale])
    return { destroy, changeTheme: nothing }
  },
  destroy,
  changeTheme: nothing,
}
window.CUSDIS ??= { initial: restart, renderTo: place => change(place, places.cusdis_thread(place)), setTheme: nothing }
window.renderCusdis ??= window.CUSDIS.renderTo

const start = () => {
  look()
  window.dispatchEvent(new Event("REMARK42::ready"))
  new MutationObserver(look).observe(document, { childList: true, subtree: true })
}
document.readyState == "loading" ? addEventListener("DOMContentLoaded", start) : start()
})()
