/**
 * Shapes of the answers that a client believes; the compiler compares each with the generated type.
 *
 * An answer comes from a server that may be another program, or broken: nothing of an answer is used before the shape
 * has been looked at. A field that this client does not know stays in the answer, for a caller that wants JSON.
 */
import * as v from 'valibot'
import type {
  BatchAnswer,
  ConsistencyPoint,
  ConsistencyPoints,
  CreatedToken,
  Listing,
  Mirror,
  MirrorStatus,
  Mirrors,
  PatchedFile,
  RevokedToken,
  ServerStatus,
  SqlAnswer,
  SqlSchema,
  Stat,
  Tokens,
  Whoami,
  WrittenEntry,
} from './contract.ts'

export type Shape<T> = v.GenericSchema<unknown, T>

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const time = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/),
  v.check((text) => !Number.isNaN(Date.parse(text))),
)
const etag = v.pipe(v.string(), v.regex(/^"[\x21\x23-\x7e]*"$/))
const durability = v.picklist(['buffered', 'logged', 'committed', 'mirrored'])

/**
 * A server may be newer, and have kinds that this version does not know. Such an entry is the caller's to refuse, by its
 * name; the entries beside it are as good as ever.
 */
const kind = v.custom<Stat['kind']>((value) => typeof value === 'string' && /^[a-z-]{1,32}$/.test(value))

const statEntries = {
  path: v.string(),
  kind,
  size: count,
  etag,
  contentType: v.nullable(v.string()),
  created: time,
  modified: time,
  /** Permission bits, octal. */
  mode: v.pipe(v.string(), v.regex(/^[0-7]{4}$/)),
  cp: count,
  meta: v.record(v.string(), v.string()),
  target: v.exactOptional(v.string()),
} as const
export const stat: Shape<Stat> = v.looseObject(statEntries)

export const listing: Shape<Listing> = v.looseObject({
  cp: count,
  path: v.string(),
  entries: v.array(
    v.looseObject({
      ...statEntries,
      name: v.string(),
      /** Content in base64; present for some small files, when the caller asked for contents. */
      content: v.exactOptional(v.string()),
    }),
  ),
  next: v.nullable(v.string()),
})

export const writtenEntry: Shape<WrittenEntry> = v.looseObject({
  path: v.string(),
  size: count,
  etag,
  cp: count,
  durability,
})

export const patchedFile: Shape<PatchedFile> = v.looseObject({
  path: v.string(),
  size: count,
  etag,
  offset: count,
  cp: count,
  durability,
})

export const batchAnswer: Shape<BatchAnswer> = v.looseObject({
  cp: count,
  durability,
  results: v.array(v.looseObject({ status: v.picklist([200, 201, 204]), etag: v.nullable(etag) })),
})

const cpEntries = {
  cp: count,
  epoch: count,
  rootHash: v.pipe(v.string(), v.regex(/^[0-9a-f]*$/)),
  cause: v.string(),
  committedAt: time,
  blocksWritten: count,
  bytesWritten: count,
  coalesced: count,
  retained: v.boolean(),
} as const
export const consistencyPoint: Shape<ConsistencyPoint> = v.looseObject(cpEntries)
export const consistencyPoints: Shape<ConsistencyPoints> = v.looseObject({
  items: v.array(v.looseObject(cpEntries)),
  next: v.nullable(v.string()),
})

const tokenId = v.pipe(v.string(), v.regex(/^[0-9a-z]{1,32}$/))
const role = v.picklist(['reader', 'writer', 'monitor', 'admin'])
const tokenEntries = {
  id: tokenId,
  name: v.string(),
  role,
  prefix: v.string(),
  createdAt: time,
  expiresAt: v.nullable(time),
} as const
/** The only answer that has the token itself. */
export const createdToken: Shape<CreatedToken> = v.looseObject({
  ...tokenEntries,
  token: v.pipe(v.string(), v.regex(/^sp_[0-9a-z]{1,32}_[A-Za-z0-9_-]{43}$/)),
  cp: count,
  durability,
})
export const tokens: Shape<Tokens> = v.looseObject({
  items: v.array(
    v.looseObject({
      ...tokenEntries,
      lastUsed: v.nullable(v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\d$/))),
    }),
  ),
})
export const revokedToken: Shape<RevokedToken> = v.looseObject({
  cp: count,
  durability,
  unconfirmed: v.array(v.string()),
})
export const whoami: Shape<Whoami> = v.looseObject({
  id: v.nullable(v.string()),
  name: v.nullable(v.string()),
  role,
  prefix: v.string(),
  expiresAt: v.nullable(time),
})

const mirrorState = v.picklist(['live', 'catching-up', 'stalled', 'away'])
const mirrorEntries = {
  id: v.string(),
  url: v.string(),
  state: mirrorState,
  cp: v.nullable(count),
  lagCps: v.nullable(count),
  lagMs: v.nullable(v.number()),
  needs: v.nullable(v.string()),
  heldBytes: v.nullable(count),
  lastSeen: v.nullable(time),
} as const
export const mirror: Shape<Mirror> = v.looseObject(mirrorEntries)
export const mirrors: Shape<Mirrors> = v.looseObject({ items: v.array(v.looseObject(mirrorEntries)) })

export const mirrorStatus: Shape<MirrorStatus> = v.looseObject({
  id: v.string(),
  volume: v.nullable(v.string()),
  state: mirrorState,
  cp: count,
  targetCp: v.nullable(count),
  lagCps: count,
  lagMs: v.number(),
  needs: v.nullable(v.string()),
  lastSeen: v.nullable(time),
})

export const serverStatus: Shape<ServerStatus> = v.looseObject({
  role: v.picklist(['primary', 'mirror']),
  ready: v.boolean(),
  reason: v.nullable(v.string()),
  cp: count,
  epoch: count,
  opening: count,
  version: v.string(),
  commit: v.nullable(v.string()),
  format: count,
  uptimeMs: count,
  space: v.looseObject({
    usedBytes: count,
    freeBytes: count,
    writableBytes: count,
    pendingBytes: count,
    maxBytes: count,
    fileBytes: count,
  }),
  catalog: v.looseObject({
    state: v.picklist(['off', 'filling', 'behind', 'current']),
    cp: v.nullable(count),
    behindCps: count,
    behindMs: count,
  }),
})

export const sqlAnswer: Shape<SqlAnswer> = v.looseObject({
  cp: count,
  columns: v.array(
    v.looseObject({
      name: v.string(),
      type: v.nullable(v.picklist(['integer', 'real', 'text', 'blob'])),
    }),
  ),
  rows: v.array(v.array(v.nullable(v.union([v.string(), v.number()])))),
  truncated: v.boolean(),
})

const described = { name: v.string(), description: v.string() } as const
export const sqlSchema: Shape<SqlSchema> = v.looseObject({
  views: v.array(
    v.looseObject({
      ...described,
      columns: v.array(v.looseObject({ ...described, type: v.picklist(['integer', 'real', 'text']) })),
    }),
  ),
})

/** Null when the value does not have the shape. */
export function shaped<T>(shape: Shape<T>, value: unknown): T | null {
  // Without an early end, each of the millions of values in a page would have its list of complaints.
  const parsed = v.safeParse(shape, value, { abortEarly: true, abortPipeEarly: true })
  return parsed.success ? parsed.output : null
}
