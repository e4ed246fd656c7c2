/**
 * The shapes of the contract.
 *
 * - JSON bodies of requests are checked by these shapes.
 * - Answers are made by code; tests compare the answers with these shapes.
 * - Headers and query parameters are parsed by hand, because validators cost 40 % on the hot routes; the schemas of
 *   headers and parameters only describe the contract.
 */
import { type RouteConfig, z } from '@hono/zod-openapi'
import { tokenRoles } from '../../format/items/token-setting.ts'
import { batchOperationsMax } from '../../fs/contract.ts'
import { build } from '../../lib/build.ts'
import { StillpointError, type ErrorCode, errorCodes } from '../../lib/errors.ts'
import { catalogStates, durabilityLevels, mirrorStates } from '../http/dependencies.ts'

const integer = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const cp = integer.openapi({ description: 'Number of a consistency point', example: 42 })
const time = z.string().openapi({ format: 'date-time', example: '2026-01-31T12:00:00.000Z' })
const etag = z.string().openapi({ description: 'As in the header, with its quotes', example: '"1-2-3"' })
const durability = z.enum(durabilityLevels).openapi({ description: 'The level that was reached' })
const meta = z.record(z.string(), z.string()).openapi({ example: { owner: 'alice' } })
const path = z.string().openapi({
  description: 'Never percent-encoded, no leading slash; the root is ""',
  example: 'docs/readme.txt',
})
const mode = z.string().openapi({ description: 'Octal', example: '0644' })

const Problem = z
  .looseObject({
    type: z.string().openapi({ example: 'urn:stillpoint:not-found' }),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
    detail: z.string(),
    index: z.int().optional().openapi({ description: 'Of the operation of a batch that failed' }),
  })
  .openapi('Problem')

export const WrittenEntry = z.object({ path, size: integer, etag, cp, durability }).openapi('WrittenEntry')

export const PatchedFile = z
  .object({
    path,
    size: integer,
    etag,
    offset: integer.openapi({ description: 'Where the bytes were written' }),
    cp,
    durability,
  })
  .openapi('PatchedFile')

const statShape = {
  path,
  kind: z.enum(['file', 'directory', 'link']),
  size: integer,
  etag,
  contentType: z.string().nullable(),
  created: time,
  modified: time,
  mode,
  cp,
  meta,
  target: z.string().optional().openapi({ description: 'Of a link' }),
}
export const StatShape = z.object(statShape).openapi('Stat')

export const ListingShape = z
  .object({
    cp,
    path,
    entries: z.array(
      z
        .object({
          name: z.string(),
          ...statShape,
          content: z.string().optional().openapi({ description: 'Base64, where it was asked for' }),
        })
        .openapi('ListedEntry', { description: '`path` is relative to the listed directory' }),
    ),
    next: z.string().nullable().openapi({ description: 'The cursor of the next page' }),
  })
  .openapi('Listing')

export const MoveBody = z
  .strictObject({
    from: path,
    to: path,
    overwrite: z.boolean().optional().openapi({ description: 'Replace what is at `to`; not unless given' }),
    ifMatch: etag.optional().openapi({ description: 'Of what is moved' }),
  })
  .openapi('Move')

const ifMatch = etag.optional()
const ifNoneMatch = etag.optional()

const BatchOperationShape = z
  .discriminatedUnion('op', [
    z.strictObject({
      op: z.literal('put'),
      path,
      content: z.string().optional().openapi({ description: 'Base64; or `text`' }),
      text: z.string().optional(),
      contentType: z.string().optional(),
      meta: meta.optional(),
      mode: mode.optional(),
      modified: time.optional(),
      ifMatch,
      ifNoneMatch,
    }),
    z.strictObject({
      op: z.literal('delete'),
      path,
      recursive: z.boolean().optional(),
      ifMatch,
      ifNoneMatch,
    }),
    z.strictObject({
      op: z.literal('mkdir'),
      path,
      meta: meta.optional(),
      mode: mode.optional(),
      modified: time.optional(),
    }),
    z.strictObject({
      op: z.literal('move'),
      from: path,
      to: path,
      overwrite: z.boolean().optional(),
      ifMatch,
      ifNoneMatch,
    }),
  ])
  .openapi('BatchOperation')
export type BatchItem = z.infer<typeof BatchOperationShape>

export const BatchBody = z
  .strictObject({ operations: z.array(BatchOperationShape).max(batchOperationsMax) })
  .openapi('Batch')

export const BatchAnswer = z
  .object({
    cp,
    durability,
    results: z.array(z.object({ status: z.int(), etag: etag.nullable() }).openapi('BatchResult')),
  })
  .openapi('BatchAnswer')

export const CpItem = z
  .object({
    cp,
    epoch: integer,
    rootHash: z.string().openapi({ description: 'SHA-256 of the root node, hexadecimal' }),
    cause: z.string().openapi({ example: 'timer', description: 'Why it was taken; `mirrored` on a mirror' }),
    committedAt: time,
    blocksWritten: integer,
    bytesWritten: integer,
    coalesced: integer,
    retained: z.boolean().openapi({ description: 'Readable now, with ?cp=' }),
  })
  .openapi('ConsistencyPoint')

export const CpList = z
  .object({ items: z.array(CpItem), next: z.string().nullable() })
  .openapi('ConsistencyPoints')

export const MirrorItem = z
  .object({
    id: z.string(),
    url: z.string(),
    state: z.enum(mirrorStates),
    cp: cp.nullable(),
    lagCps: integer.nullable(),
    lagMs: z.number().nullable(),
    needs: z.string().nullable(),
    heldBytes: integer.nullable(),
    lastSeen: time.nullable(),
  })
  .openapi('Mirror')
export const MirrorList = z.object({ items: z.array(MirrorItem) }).openapi('Mirrors')
export const MirrorBody = z
  .strictObject({
    url: z.string().openapi({ example: 'http://127.0.0.1:7071' }),
    code: z.string().optional().openapi({ description: 'The pairing code that a new mirror shows once' }),
  })
  .openapi('NewMirror')

export const MirrorStatusShape = z
  .object({
    id: z.string(),
    volume: z.string().nullable(),
    state: z.enum(mirrorStates),
    cp,
    targetCp: cp.nullable(),
    lagCps: integer.openapi({
      description: 'Consistency points of its primary that it has heard of and lacks',
    }),
    lagMs: z.number().openapi({ description: 'Since it has first heard of one that it lacks' }),
    needs: z.string().nullable(),
    lastSeen: time.nullable(),
  })
  .openapi('MirrorStatus')

export const ServerStatusShape = z
  .object({
    role: z.enum(['primary', 'mirror']),
    ready: z.boolean().openapi({ description: 'Whether reads are served' }),
    reason: z
      .string()
      .nullable()
      .openapi({ description: 'Why it is not ready, or takes no writes, and what helps' }),
    cp: integer.openapi({
      description: 'The newest published consistency point; 0 before the first',
      example: 42,
    }),
    epoch: integer.openapi({ description: 'It is raised when another primary takes over', example: 0 }),
    opening: integer.openapi({ description: 'How often the volume was opened for writing', example: 7 }),
    version: z.string().openapi({ example: build.version }),
    commit: z.string().nullable().openapi({ description: 'Null when it runs from its source' }),
    format: integer.openapi({ description: 'Of volumes that it writes', example: 1 }),
    uptimeMs: integer.openapi({ description: 'Since the volume was opened', example: 86_400_000 }),
    space: z
      .object({
        usedBytes: integer,
        freeBytes: integer.openapi({ description: 'Up to `maxBytes`, as far as the disk has it' }),
        writableBytes: integer.openapi({
          description: 'What clients can write before the block file grows; 0 on a mirror',
        }),
        pendingBytes: integer.openapi({ description: 'What a consistency point or a reader gives back' }),
        maxBytes: integer.openapi({ description: 'The volume never grows beyond this' }),
        fileBytes: integer.openapi({ description: 'Size of the block file' }),
      })
      .openapi('Space'),
    catalog: z
      .object({
        state: z.enum(catalogStates).openapi({
          description: '`off` with `--catalog-files off`; `filling` while the files are filled anew',
        }),
        cp: cp.nullable().openapi({ description: 'What the files of the catalog are true for' }),
        behindCps: integer,
        behindMs: integer.openapi({ description: 'Since the first publication that the catalog lacks' }),
      })
      .openapi('CatalogState'),
  })
  .openapi('Status')

const role = z.enum(tokenRoles)
const tokenShape = {
  id: z.string(),
  name: z.string().openapi({ example: 'backup of the web site' }),
  role,
  prefix: path,
  createdAt: time,
  expiresAt: time.nullable(),
}
export const TokenBody = z
  .strictObject({
    name: z.string().openapi({ description: 'For people; 1 to 64 bytes', example: 'backup of the web site' }),
    role,
    prefix: path
      .optional()
      .openapi({ description: 'The path that the token opens; everything unless given' }),
    expiresAt: time.optional(),
  })
  .openapi('NewToken')
export const NewTokenShape = z
  .object({
    ...tokenShape,
    token: z.string().openapi({ description: 'Shown here, and never again' }),
    cp,
    durability,
  })
  .openapi('CreatedToken')
export const TokenList = z
  .object({
    items: z.array(
      z
        .object({
          ...tokenShape,
          lastUsed: z.string().nullable().openapi({
            format: 'date',
            description: 'Day of the last use here since the server was started',
          }),
        })
        .openapi('Token'),
    ),
  })
  .openapi('Tokens')
export const RevokedShape = z
  .object({
    cp,
    durability,
    unconfirmed: z.array(z.string()).openapi({ description: 'Ids of the mirrors that may not know it yet' }),
  })
  .openapi('RevokedToken')
export const WhoamiShape = z
  .object({
    id: z.string().nullable().openapi({ description: 'Null without a token, where none is needed' }),
    name: z.string().nullable(),
    role,
    prefix: path,
    expiresAt: time.nullable(),
  })
  .openapi('Whoami')

const sqlValue = z.union([z.string(), z.number(), z.null()])
export const SqlBody = z
  .strictObject({
    query: z.string().openapi({
      description: 'One SELECT over the views of the schema',
      example: 'SELECT path, size FROM files WHERE kind = ? ORDER BY size DESC LIMIT 10',
    }),
    params: z
      .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .optional()
      .openapi({ description: 'Values of the parameters ?, in their order', example: ['file'] }),
    maxRows: integer.optional().openapi({ description: 'Rows of the answer at most' }),
  })
  .openapi('SqlQuestion')

export const SqlAnswerShape = z
  .object({
    cp: integer.openapi({ description: 'The consistency point that the files are true for', example: 42 }),
    columns: z.array(
      z.object({
        name: z.string().openapi({ example: 'path' }),
        type: z.enum(['integer', 'real', 'text', 'blob']).nullable().openapi({
          description: 'As declared, otherwise that of the first value that is not null',
        }),
      }),
    ),
    rows: z.array(z.array(sqlValue)).openapi({
      description: 'An integer beyond 2^53 is text, and so is a blob, in hexadecimal',
      example: [['docs/readme.txt', 120]],
    }),
    truncated: z.boolean().openapi({ description: 'True when there are more rows' }),
  })
  .openapi('SqlAnswer')

export const SqlSchemaShape = z
  .object({
    views: z.array(
      z.object({
        name: z.string().openapi({ example: 'files' }),
        description: z.string(),
        columns: z.array(
          z.object({
            name: z.string().openapi({ example: 'path' }),
            type: z.enum(['integer', 'real', 'text']),
            description: z.string(),
          }),
        ),
      }),
    ),
  })
  .openapi('SqlSchema')

export const Health = z
  .object({
    status: z.literal('ok'),
    fenced: z.string().optional().openapi({ description: 'Why a primary only reads, and what helps' }),
  })
  .openapi('Health')

/** Checks a JSON body. Throws `bad-json` with the places of the first five faults in the body. */
export function parseShape<T extends z.ZodType>(shape: T, value: unknown): z.infer<T> {
  const parsed = shape.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues
    .slice(0, 5)
    .map((issue) => ({ at: issue.path.join('.'), message: issue.message }))
  const first = issues[0]
  throw new StillpointError(
    'bad-json',
    first ? `${first.at || 'the body'}: ${first.message}` : 'wrong shape',
    {
      issues,
    },
  )
}

type Responses = RouteConfig['responses']

/** Codes that every endpoint may answer, beside those of its access. */
const always: readonly ErrorCode[] = [
  'bad-parameter',
  'bad-path',
  'busy',
  'forbidden',
  'internal',
  'too-many-requests',
  'wrong-host',
]

/** Makes the responses of the codes and of those that every endpoint may answer. */
export const problems = (...codes: readonly ErrorCode[]): Responses => problemResponses([...always, ...codes])

/** Makes one response for each status; the response names the codes that come with that status. */
export function problemResponses(codes: readonly ErrorCode[]): Responses {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set(codes)) {
    const status = errorCodes[code][0]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const responses: Responses = {}
  for (const [status, of] of [...byStatus].sort(([a], [b]) => a - b)) {
    const [example] = of
    responses[status] = {
      description: of.map((code) => `\`${code}\`: ${errorCodes[code][1]}`).join('. '),
      content: {
        'application/problem+json': {
          schema: Problem,
          example: {
            type: `urn:stillpoint:${example}`,
            title: errorCodes[example!][1],
            status,
            code: example,
            detail: 'What exactly, and what helps',
          },
        },
      },
    }
  }
  return responses
}

export const jsonContent = (schema: z.ZodType) => ({ 'application/json': { schema } })
