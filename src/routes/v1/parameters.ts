/** Parameters and headers for the OpenAPI documents; the handlers parse the values by hand. */
import { z } from '@hono/zod-openapi'
import { metaBytesMax, metaNameBytesMax } from '../../lib/entry-limits.ts'
import { durabilityLevels } from '../http/dependencies.ts'
import { mirroredWaitMsDefault } from './durability.ts'
import { waitSecondsMax } from './reading.ts'

const cpNumber = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

export const pathParam = z.object({
  path: z.string().openapi({
    description: 'Several segments, each percent-encoded; slashes stay as they are',
    example: 'docs/readme.txt',
  }),
})

export const readingQuery = {
  cp: cpNumber.optional().openapi({ description: 'Read exactly this consistency point; kept for 30 s' }),
  at: z.string().optional().openapi({
    description: 'Read the newest consistency point committed at or before this time',
    format: 'date-time',
  }),
  minCp: cpNumber.optional().openapi({ description: 'Read at least this consistency point' }),
  wait: z.int().min(0).max(waitSecondsMax).optional().openapi({
    description: 'Seconds to wait for a consistency point that is yet to come',
  }),
}

export const minCpQuery = { minCp: readingQuery.minCp, wait: readingQuery.wait }

export const durabilityQuery = {
  durability: z
    .enum(durabilityLevels)
    .optional()
    .openapi({ description: 'When to answer; `logged` unless given' }),
  mirrors: z.int().min(1).optional().openapi({ description: 'With `mirrored`: by how many' }),
  wait: z
    .int()
    .min(0)
    .max(waitSecondsMax)
    .optional()
    .openapi({
      description: `Seconds; then the answer says the level that was reached. ${mirroredWaitMsDefault / 1000} with \`mirrored\` unless given`,
    }),
}

const text = (description: string) => z.string().optional().openapi({ description })

export const writeConditionHeaders = {
  'If-Match': text('Entity tags, or *'),
  'If-None-Match': text('Entity tags, or * to create only'),
  'If-Unmodified-Since': text('HTTP date'),
}
export const readConditionHeaders = {
  ...writeConditionHeaders,
  'If-Modified-Since': text('HTTP date'),
}
export const rangeHeaders = {
  Range: text('One range of bytes'),
  'If-Range': text('An entity tag; a date never matches'),
}
export const attributeHeaders = {
  'Stillpoint-Mode': text('Octal permission bits, kept'),
  'Stillpoint-Modified': text('RFC 3339 with a zone, kept with up to nine digits of a second'),
}

/**
 * OpenAPI has no word for headers with a common prefix, and generators would send a literal NAME. So an extension of the
 * operation tells programs, and a sentence tells people.
 */
const metaHeaders = {
  'Stillpoint-Meta-': {
    description: `Any number of these: metadata of the entry. The rest of the name is a token of up to ${metaNameBytesMax} bytes without case, the value is visible ASCII; ${metaBytesMax} bytes in all`,
    schema: { type: 'string' },
  },
}
export const metaRequest = { 'x-request-header-prefixes': metaHeaders }
export const metaAnswer = { 'x-response-header-prefixes': metaHeaders }
export const metaSentence =
  'Each header `Stillpoint-Meta-…` is one entry of metadata: `Stillpoint-Meta-Owner: alice` is kept as `owner`.'

const header = (description: string) => ({ description, schema: { type: 'string' as const } })

export const cpHeader = {
  'Stillpoint-CP': {
    description: 'The consistency point that carries what the answer saw',
    schema: { type: 'integer' as const },
  },
}
export const mutationHeaders = {
  'Stillpoint-CP': {
    description: 'The consistency point that first contains the write',
    schema: { type: 'integer' as const },
  },
  'Stillpoint-Durability': header('The level that was reached'),
  ETag: header('Strong; of the new version'),
}
export const contentHeaders = {
  ...cpHeader,
  ETag: header('Strong'),
  'Last-Modified': header('HTTP date'),
  'Accept-Ranges': header('bytes'),
}
