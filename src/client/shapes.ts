/**
 * Shapes of the answers that a command believes.
 *
 * An answer comes from a server that may be another program, or broken: nothing of an answer is used before the shape
 * has been looked at. A field that this client does not know stays in the answer, for a caller that wants JSON.
 */
import * as v from 'valibot'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const time = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/),
  v.check((text) => !Number.isNaN(Date.parse(text))),
)
const etag = v.pipe(v.string(), v.regex(/^"[\x21\x23-\x7e]*"$/))

const statEntries = {
  path: v.string(),
  kind: v.picklist(['file', 'directory', 'link']),
  size: count,
  etag,
  contentType: v.nullable(v.string()),
  created: time,
  modified: time,
  /** Permission bits, octal. */
  mode: v.pipe(v.string(), v.regex(/^[0-7]{4}$/)),
  cp: count,
  target: v.optional(v.string()),
} as const
export const remoteStat = v.looseObject(statEntries)
export type RemoteStat = v.InferOutput<typeof remoteStat>

const remoteEntry = v.looseObject({
  ...statEntries,
  name: v.string(),
  /** Content in base64; present for some small files, when the caller asked for contents. */
  content: v.optional(v.string()),
})
export type RemoteEntry = v.InferOutput<typeof remoteEntry>

export const pageShape = v.looseObject({
  cp: count,
  path: v.string(),
  entries: v.array(remoteEntry),
  next: v.nullable(v.string()),
})
export type Page = v.InferOutput<typeof pageShape>

export const writtenAnswer = v.looseObject({
  path: v.string(),
  size: v.optional(count),
  etag,
  cp: count,
  durability: v.picklist(['buffered', 'logged', 'committed', 'mirrored']),
})
export type WrittenAnswer = v.InferOutput<typeof writtenAnswer>

export const batchAnswer = v.looseObject({
  cp: count,
  results: v.array(v.looseObject({ status: v.picklist([200, 201, 204]) })),
})

export const listedCp = v.looseObject({
  cp: count,
  epoch: count,
  rootHash: v.pipe(v.string(), v.regex(/^[0-9a-f]*$/)),
  cause: v.string(),
  committedAt: time,
  blocksWritten: count,
  bytesWritten: count,
  coalesced: count,
  retained: v.boolean(),
})
export type ListedCp = v.InferOutput<typeof listedCp>
export const cpList = v.looseObject({ items: v.array(listedCp), next: v.nullable(v.string()) })

const tokenId = v.pipe(v.string(), v.regex(/^[0-9a-z]{1,32}$/))
const tokenEntries = {
  id: tokenId,
  name: v.string(),
  role: v.picklist(['reader', 'writer', 'monitor', 'admin']),
  prefix: v.string(),
  createdAt: time,
  expiresAt: v.nullable(time),
} as const
/** The only answer that has the token itself. */
export const createdToken = v.looseObject({
  ...tokenEntries,
  token: v.pipe(v.string(), v.regex(/^sp_[0-9a-z]{1,32}_[A-Za-z0-9_-]{43}$/)),
  cp: count,
})
export type CreatedToken = v.InferOutput<typeof createdToken>
const listedToken = v.looseObject({
  ...tokenEntries,
  lastUsed: v.nullable(v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\d$/))),
})
export type ListedToken = v.InferOutput<typeof listedToken>
export const tokenList = v.looseObject({ items: v.array(listedToken) })
export const revokedToken = v.looseObject({ cp: count, unconfirmed: v.array(v.string()) })
export type RevokedToken = v.InferOutput<typeof revokedToken>

export const mirrorItem = v.looseObject({
  id: v.string(),
  url: v.string(),
  state: v.string(),
  cp: v.nullable(count),
  lagCps: v.nullable(count),
  lagMs: v.nullable(v.number()),
  needs: v.nullable(v.string()),
  heldBytes: v.nullable(count),
})
export type ListedMirror = v.InferOutput<typeof mirrorItem>
export const mirrorList = v.looseObject({ items: v.array(mirrorItem) })

const sqlValue = v.nullable(v.union([v.string(), v.number()]))
export const sqlAnswer = v.pipe(
  v.looseObject({
    cp: v.nullable(count),
    columns: v.array(v.looseObject({ name: v.string(), type: v.nullable(v.string()) })),
    rows: v.array(v.array(sqlValue)),
    truncated: v.boolean(),
  }),
  v.check(({ columns, rows }) => rows.every((row) => row.length === columns.length)),
)
export type SqlTable = v.InferOutput<typeof sqlAnswer>
const described = { name: v.string(), description: v.string() } as const
export const sqlSchema = v.looseObject({
  views: v.array(
    v.looseObject({ ...described, columns: v.array(v.looseObject({ ...described, type: v.string() })) }),
  ),
})
export type SqlSchema = v.InferOutput<typeof sqlSchema>

export const mirrorStatus = v.looseObject({ id: v.string(), state: v.string(), cp: count })
export type ShownMirror = v.InferOutput<typeof mirrorStatus>

export const health = v.looseObject({ status: v.literal('ok'), fenced: v.optional(v.string()) })

export type Shape<T> = v.GenericSchema<unknown, T>

/** Null when the value does not have the shape. */
export function shaped<T>(shape: Shape<T>, value: unknown): T | null {
  const parsed = v.safeParse(shape, value)
  return parsed.success ? parsed.output : null
}
