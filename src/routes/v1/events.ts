/** GET /v1/events: what happens on this server, as server-sent events. */
import { z } from '@hono/zod-openapi'
import { StillpointError } from '../../lib/errors.ts'
import { systemExamples } from '../examples/system.ts'
import type { Dependencies } from '../http/dependencies.ts'
import type { Endpoint, Handler } from '../http/endpoint.ts'
import { streamEvents } from '../http/event-stream.ts'
import { dataGuards } from '../http/guards.ts'
import { Query } from '../http/raw-url.ts'
import { cpHeader } from './parameters.ts'
import { problems } from './schemas.ts'

const resumeHeader = 'Last-Event-ID'

/** Null when the client has heard of nothing yet. */
function heardOf(headers: Headers): number | null {
  const text = headers.get(resumeHeader)
  if (text === null || text === '') return null
  const cp = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(cp)) return cp
  throw new StillpointError('bad-parameter', `${resumeHeader} is the id of an event: a consistency point`, {
    parameter: resumeHeader,
  })
}

const eventsHandler =
  ({ events, clock, resources }: Dependencies): Handler =>
  (request, target, permit) => {
    Query.parse(target.query, [])
    const heard = heardOf(request.headers)
    const headers = {
      ...dataGuards,
      'Content-Type': 'text/event-stream',
      'Stillpoint-CP': String(events.at),
      // Some proxies keep an answer until it is whole.
      'X-Accel-Buffering': 'no',
    }
    if (request.method === 'HEAD') return new Response(null, { headers })
    const room = resources.eventRoom(request)
    return new Response(streamEvents(events, heard, { clock, room, permit }), { headers })
  }

const description =
  `One event for each thing that happens, from now on. \`id\` is the consistency point that was published
last when the event happened; a client that connects again with \`Last-Event-ID\` gets everything after that publication, so an
event may come twice and none is left out. Where this process no longer knows what the client has missed, the first event is
\`gap\`, with \`{"cp", "after"}\`: read the state anew (\`GET /v1/status\`, \`GET /v1/cps\`), and go on.

\`data\` is a JSON object with \`cp\` (what the event is about) and \`at\` (when it happened), and:

| event | what has happened | further members |
| --- | --- | --- |
| \`published\` | \`cp\` is what readers see | \`cause\`, \`blocksWritten\`, \`bytesWritten\`, \`coalesced\` |
| \`pruned\` | \`cp\` can no longer be read | |
| \`mirrored\` | a mirror has \`cp\` (on a primary) | \`mirror\` |
| \`lag\` | a mirror is 5 seconds behind, or twice as far as was said before | \`mirror\`, \`lagCps\`, \`lagMs\` |
| \`stalled\` | a mirror does not get on: it needs something, or has been away for 5 seconds | \`mirror\`, \`state\`, \`needs\` |
| \`caught-up\` | a mirror of which one of the two was said follows again | \`mirror\`, \`lagCps\`, \`lagMs\` |
| \`fenced\` | this primary takes no writes any more | \`reason\` |

On a mirror \`lag\`, \`stalled\` and \`caught-up\` are about the mirror itself, as it measures. \`ended\` is the last event of a
stream that this server ends, with \`{"reason"}\`: \`slow\` (the client reads more slowly than events come), \`stopping\`,
\`unauthorized\` or \`forbidden\`. A comment comes every 15 seconds when nothing else does.`.replaceAll(
    /(?<!\n)\n(?![\n|])/g,
    ' ',
  )

export const eventEndpoints: readonly Endpoint[] = [
  {
    on: 'both',
    method: 'get',
    path: '/v1/events',
    access: { action: 'history' },
    handler: eventsHandler,
    examples: systemExamples.events,
    contract: {
      operationId: 'getEvents',
      tags: ['system'],
      summary: 'What happens here, as it happens',
      description,
      request: {
        headers: z.object({
          'Last-Event-ID': z
            .int()
            .min(0)
            .max(Number.MAX_SAFE_INTEGER)
            .optional()
            .openapi({ description: 'The `id` of the last event that the client has', example: 41 }),
        }),
      },
      responses: {
        200: {
          description: 'Server-sent events, without an end',
          headers: cpHeader,
          content: { 'text/event-stream': { schema: z.string() } },
        },
        ...problems(),
      },
    },
  },
]
