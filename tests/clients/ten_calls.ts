// Call a running service with types that a generator made: node ten_calls.js URL KEY. It prints one line for each call.
import { strict as assert } from "node:assert"
import createClient from "openapi-fetch"
import type { components, paths } from "./commentsvc.js"

type Schemas = components["schemas"]
const PAGE = "/a-post/"
const [url, key] = process.argv.slice(2) as [string, string]
const reader = createClient<paths>({ baseUrl: url })
const moderator = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } })

const callAsReader = async (): Promise<Schemas["Receipt"]> => {
  const preview = await reader.POST("/v1/preview", { body: { comment: "**Hello**" } })
  assert.equal(preview.data?.html, "<p><strong>Hello</strong></p>")
  console.log("preview")

  const draft = { thread: PAGE, name: "Mia", email: "mia@example.com", comment: "**Hello**" }
  const posted = await reader.POST("/v1/comments", { body: draft })
  assert.ok(posted.data)
  assert.equal(posted.data.parent, null)
  console.log("post")

  const refused = await reader.POST("/v1/comments", { body: { thread: PAGE, name: "Mia", comment: " " } })
  const problem: Schemas["Problem"] | undefined = refused.error
  const code: Schemas["ErrorCode"] = "invalid"
  assert.equal(problem?.code, code)
  assert.deepEqual(problem.errors.map((fault) => [fault.field, fault.code]), [
    ["email", "required"],
    ["comment", "required"],
  ])
  console.log("error")
  return posted.data
}

const callAsModerator = async (comment: string): Promise<void> => {
  const queue = await moderator.GET("/v1/moderation/comments", { params: { query: { status: "pending", limit: 10 } } })
  const reason: Schemas["ReasonCode"] | null | undefined = queue.data?.comments[0]?.reasons[0]?.code
  assert.equal(reason, "mode_all")
  console.log("queue")

  const approved = await moderator.POST("/v1/moderation/actions", { body: { action: "approve", ids: [comment] } })
  assert.equal(approved.data?.results[0]?.ok, true)
  console.log("act by ids")

  const where: Schemas["PrivateCommentFilter"] = { status: "approved", email: "mia@example.com" }
  const held = await moderator.POST("/v1/moderation/actions", { body: { action: "hold", where, expect: 1 } })
  assert.equal(held.data?.changed, 1)
  console.log("act by where")

  const path = { id: held.data.id }
  const undone = await moderator.POST("/v1/moderation/actions/{id}/undo", { params: { path } })
  assert.equal(undone.data?.changed, 1)
  console.log("undo")

  const tested = await moderator.POST("/v1/rules/test", { body: { kind: "words", match: "hello", last: 100 } })
  assert.equal(tested.data?.approved, 1)
  console.log("rule test")
}

const callAsAnotherReader = async (comment: string): Promise<void> => {
  const tree = await reader.GET("/v1/comments", { params: { query: { thread: PAGE } } })
  const [first] = tree.data?.comments ?? []
  assert.ok(first && "replies" in first && !("stub" in first))
  assert.equal(first.id, comment)
  assert.deepEqual(first.replies, [])
  console.log("list as a tree")

  const listing = await reader.GET("/v1/comments", { params: { query: { thread: PAGE, view: "flat" } } })
  assert.deepEqual(listing.data?.comments.map((one) => one.id), [comment])
  console.log("list flat")

  const counts = await reader.GET("/v1/counts", { params: { query: { thread: [PAGE, "/another/"] } } })
  assert.deepEqual(counts.data?.counts, { [PAGE]: 1, "/another/": 0 })
  console.log("counts")

  const body = { reason: "Advertising." }
  const report = await reader.POST("/v1/comments/{id}/reports", { params: { path: { id: comment } }, body })
  const reported: true | undefined = report.data?.reported
  assert.equal(reported, true)
  console.log("report")
}

const { id } = await callAsReader()
await callAsModerator(id)
await callAsAnotherReader(id)

// These must not pass: tsc complains of an unused @ts-expect-error.
// @ts-expect-error -- no such verb
void ({ action: "delete" } satisfies Schemas["NewAction"])
// @ts-expect-error -- a filter that does not exist
void ({ action: "hold", where: { author: "Mia" } } satisfies Schemas["NewAction"])
// @ts-expect-error -- not one of the kinds
void ({ thread: PAGE, name: "Mia", comment: "Hello", subscribe: "on" } satisfies Schemas["NewComment"])
