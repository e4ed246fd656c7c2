/**
 * GET and HEAD of a file. A small file that lies in memory is answered at once. Otherwise the handler opens the file,
 * reads its content in one piece or as a stream, and reports a failure before the first byte of the answer.
 */
import type { NewestSource, OpenFile, ReadyFile, Stat } from '../../fs/contract.ts'
import { type Path, parseUrlPath } from '../../fs/paths.ts'
import { StillpointError, hasCode } from '../../lib/errors.ts'
import { fileHeaders } from './attributes.ts'
import { streamFile } from '../http/content-stream.ts'
import type { Dependencies } from '../http/dependencies.ts'
import type { Handler } from '../http/endpoint.ts'
import { neverChanges } from '../http/guards.ts'
import { evaluateRead, isRangeWanted } from '../http/preconditions.ts'
import type { Permit } from '../http/permit.ts'
import { problem } from '../http/problem.ts'
import { type ByteRange, parseRange } from '../http/ranges.ts'
import { Query, type RequestTarget } from '../http/raw-url.ts'
import type { Resources } from '../limits/resources.ts'
import type { Traffic } from '../limits/traffic.ts'
import { openWanted, parseWanted, readingParameters } from './reading.ts'

/** Path of a file as the URL has it, still percent-encoded. An empty path is refused, because the root is no file. */
function urlPathOf({ rest }: RequestTarget): string {
  if (rest !== null && rest !== '') return rest
  throw new StillpointError('bad-path', 'a segment is empty', { reason: 'a segment is empty' })
}

export const filePathOf = (target: RequestTarget): Path => parseUrlPath(urlPathOf(target))

type Method = 'GET' | 'HEAD'

export const readHandler =
  (method: Method) =>
  (dependencies: Dependencies): Handler => {
    const { newest, resources } = dependencies
    const { traffic } = resources
    return (request, target, permit) =>
      (target.query === '' && readNow(request.headers, method, urlPathOf(target), newest, traffic)) ||
      readLater(request, method, target, permit, dependencies)
  }

/** Answers the usual request, when the file's path can be resolved in memory. Null when the answer has to wait. */
function readNow(
  headers: Headers,
  method: Method,
  urlPath: string,
  newest: NewestSource,
  traffic: Traffic,
): Response | null {
  try {
    const file = newest.open(urlPath)
    return file && answerNow(headers, method, file, traffic)
  } catch (error) {
    // A malformed path names nothing in any CP, so the answer names no CP.
    if (hasCode(error, 'bad-path')) throw error
    return failedRead(error, newest.cp)
  }
}

/**
 * Null when the request wants more bytes than the file gives at once. A Response copies its bytes at once, so the
 * bytes may lie in memory that is used again.
 */
function answerNow(headers: Headers, method: Method, file: ReadyFile, traffic: Traffic): Response | null {
  if (isUnconditional(headers)) {
    if (method === 'HEAD') return new Response(null, keptHead(file, 'head'))
    const header = headers.get('Range')
    const range = header === null ? null : parseRange(header, file.stat.size)
    const bytes = range ? file.read(range.start, range.end) : file.read(0, Infinity)
    return bytes && contentAnswer(bytes, keptHead(file, range ?? 'whole'), traffic)
  }
  const head = headOf(headers, method, file.stat, file.cp)
  if (head.answer) return head.answer
  const bytes = file.read(head.start, head.end)
  return bytes && contentAnswer(bytes, head.init, traffic)
}

function contentAnswer(bytes: Uint8Array, init: ResponseInit, traffic: Traffic): Response {
  traffic.sentBytes += bytes.length
  return new Response(bytes as Uint8Array<ArrayBuffer>, init)
}

const isUnconditional = (headers: Headers): boolean =>
  !(
    headers.has('If-Match') ||
    headers.has('If-None-Match') ||
    headers.has('If-Modified-Since') ||
    headers.has('If-Unmodified-Since') ||
    headers.has('If-Range')
  )

/**
 * Status and headers that are kept beside the content of a file, because making headers costs more than sending them.
 * Each Response copies the headers.
 */
interface KeptHead {
  cp: number
  readonly of: 'head' | 'whole' | 'range'
  readonly status: number
  readonly headers: Headers
}

function keptHead(file: ReadyFile, what: 'head' | 'whole' | ByteRange): ResponseInit {
  const { cp } = file
  const of = typeof what === 'string' ? what : 'range'
  const made = file.made as KeptHead | null
  const kept = made?.of === of ? made : makeHead(file, of)
  file.made = kept
  const { headers } = kept
  if (kept.cp !== cp) headers.set('Stillpoint-CP', String(cp))
  kept.cp = cp
  if (typeof what !== 'string') headers.set('Content-Range', contentRange(what, file.stat))
  return kept
}

function makeHead({ stat, cp }: ReadyFile, of: KeptHead['of']): KeptHead {
  const headers = new Headers(fileHeaders(stat, cp))
  if (of === 'head') headers.set('Content-Length', String(stat.size))
  return { cp, of, status: of === 'range' ? 206 : 200, headers }
}

const contentRange = ({ start, end }: ByteRange, { size }: Stat): string =>
  `bytes ${start}-${end - 1}/${size}`

/** An answer of exactly one consistency point never changes; where reading takes a token, nobody else may keep it. */
function lasting(answer: Response): Response {
  answer.headers.set('Cache-Control', neverChanges)
  return answer
}

const asItIs = (answer: Response): Response => answer

async function readLater(
  request: Request,
  method: Method,
  target: RequestTarget,
  permit: Permit,
  dependencies: Dependencies,
): Promise<Response> {
  const { limits, views, resources } = dependencies
  const { headers } = request
  const path = filePathOf(target)
  const query = Query.parse(target.query, readingParameters)
  const wanted = query === Query.none ? null : parseWanted(query)
  const view = wanted === null ? views.open() : await openWanted(dependencies, wanted, request, permit)
  const finish = wanted === null || wanted.cp === null || dependencies.needsToken() ? asItIs : lasting
  let file: OpenFile
  try {
    const ready = query === Query.none ? null : view.openNow(path)
    const answer = ready && answerNow(headers, method, ready, resources.traffic)
    if (answer) return finish(answer)
    file = await view.open(path)
  } catch (error) {
    return failedRead(error, view.cp)
  } finally {
    // The open file itself keeps what its reader needs, so a slow reader holds no view.
    view.release()
  }
  try {
    const answer = await readFile(request, method, file, permit, resources, limits.bufferedBytesMax)
    if (!answer.keepsFile) file.close()
    return finish(answer.response)
  } catch (error) {
    file.close()
    return failedRead(error, file.cp)
  }
}

/**
 * Makes an answer that names the CP in which the failure was seen. An error that is no StillpointError is thrown on.
 */
function failedRead(error: unknown, cp: number): Response {
  if (!(error instanceof StillpointError)) throw error
  const headers: Record<string, string> = { 'Stillpoint-CP': String(cp) }
  if (error.code === 'range-not-satisfiable')
    headers['Content-Range'] = `bytes */${String(error.help['size'])}`
  return problem(error, headers)
}

/** `keepsFile` means that the body is still to be read; the stream of the body then closes the file. */
async function readFile(
  request: Request,
  method: Method,
  file: OpenFile,
  permit: Permit,
  resources: Resources,
  bufferedBytesMax: number,
): Promise<{ readonly response: Response; readonly keepsFile: boolean }> {
  const head = headOf(request.headers, method, file.stat, file.cp)
  if (head.answer) return { response: head.answer, keepsFile: false }
  const { start, end, init } = head
  if (end - start <= resources.bufferedBytesMax(bufferedBytesMax)) {
    const bytes = start === end ? new Uint8Array(0) : await file.read(start, end)
    return { response: contentAnswer(bytes, init, resources.traffic), keepsFile: false }
  }
  const content = await streamFile(file, start, end, resources.answerRoom(request), permit)
  return { response: new Response(content, init), keepsFile: true }
}

/** All of an answer but its bytes: either the complete answer, or the range of bytes that the answer still needs. */
type Head =
  | { readonly answer: Response }
  | { readonly answer: null; readonly start: number; readonly end: number; readonly init: ResponseInit }

/** Throws `precondition-failed` and `range-not-satisfiable`. */
function headOf(asked: Headers, method: Method, stat: Stat, cp: number): Head {
  const headers = fileHeaders(stat, cp)
  if (evaluateRead(asked, stat) === 'not modified') {
    delete headers['Content-Type']
    return { answer: new Response(null, { status: 304, headers }) }
  }
  if (method === 'HEAD') {
    headers['Content-Length'] = String(stat.size)
    return { answer: new Response(null, { headers }) }
  }
  const header = asked.get('Range')
  const range = header !== null && isRangeWanted(asked, stat) ? parseRange(header, stat.size) : null
  if (!range) return { answer: null, start: 0, end: stat.size, init: { headers } }
  const { start, end } = range
  headers['Content-Range'] = contentRange(range, stat)
  return { answer: null, start, end, init: { status: 206, headers } }
}
