/** Large files up and down, and listings by pages. */
import { Connection } from './connection.ts'
import { contentOf, pieceBytes, writeContent } from './content.ts'
import type { DownloadJob, ListJob, TimedResult, UploadJob } from './jobs.ts'

const encoder = new TextEncoder()
const piecesAhead = 4

async function timed(work: () => Promise<number>): Promise<TimedResult> {
  const cpuAtStart = process.cpuUsage()
  const started = performance.now()
  const bytes = await work()
  const seconds = (performance.now() - started) / 1000
  const cpu = process.cpuUsage(cpuAtStart)
  return { seconds, bytes, cpuSeconds: (cpu.user + cpu.system) / 1e6 }
}

/** Resolves when the whole answer is there. */
function exchange(
  port: number,
  method: string,
  head: string,
  parts: (() => Uint8Array | null) | null,
  onBody?: (part: Uint8Array) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    Connection.open(port, reject)
      .then((connection) =>
        connection.send(
          encoder.encode(head),
          {
            method,
            ...(onBody ? { onBody } : {}),
            onAnswer(status, bodyBytes, answer) {
              connection.close()
              if (status >= 200 && status < 300) resolve(bodyBytes)
              else reject(new Error(`unexpected answer: ${answer.slice(0, 300)}`))
            },
          },
          parts,
        ),
      )
      .catch(reject)
  })
}

export function runUpload(job: UploadJob): Promise<TimedResult> {
  return timed(async () => {
    let next = 0
    const uploads = async (): Promise<void> => {
      while (next < job.paths.length) {
        const key = next++
        const head = `${job.method} ${job.paths[key]}${job.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${job.bytes}\r\n\r\n`
        await exchange(job.port, job.method, head, pieces(job.bytes, key))
      }
    }
    await Promise.all(Array.from({ length: Math.min(job.connections, job.paths.length) }, uploads))
    return job.bytes * job.paths.length
  })
}

/** The kernel has taken a piece before the next one is asked for: a few buffers are used in turn. */
function pieces(bytes: number, key: number): () => Uint8Array | null {
  const buffers = Array.from({ length: piecesAhead }, () => new Uint8Array(pieceBytes))
  let piece = 0
  return () => {
    const at = piece * pieceBytes
    if (at >= bytes) return null
    const size = Math.min(pieceBytes, bytes - at)
    const buffer = buffers[piece % piecesAhead]!
    writeContent(buffer, 0, size, key, piece++)
    return size === pieceBytes ? buffer : buffer.subarray(0, size)
  }
}

export function runDownload(job: DownloadJob): Promise<TimedResult> {
  return timed(async () => {
    const head = `GET ${job.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
    let wrong = 0
    const first = contentOf(Math.min(pieceBytes, job.expectBytes), 0, 0)
    let at = 0
    const bytes = await exchange(job.port, 'GET', head, null, (part) => {
      if (at < first.length) {
        const size = Math.min(part.length, first.length - at)
        if (Buffer.compare(part.subarray(0, size), first.subarray(at, at + size)) !== 0) wrong++
      }
      at += part.length
    })
    if (bytes !== job.expectBytes)
      throw new Error(`${bytes} bytes of ${job.path} instead of ${job.expectBytes}`)
    if (wrong > 0) throw new Error(`${job.path} does not begin as it was written`)
    return bytes
  })
}

/** Ours and the bare server's; nginx answers with a plain array. */
interface Page {
  readonly entries: readonly unknown[]
  readonly next?: string | null
}

export function runList(job: ListJob): Promise<TimedResult> {
  return timed(async () => {
    let cursor = ''
    let entries = 0
    let bytes = 0
    let isFirst = true
    while (isFirst || cursor !== '') {
      isFirst = false
      const path = `${job.path}${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
      cursor = ''
      const parts: Uint8Array[] = []
      bytes += await exchange(
        job.port,
        'GET',
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
        null,
        (part) => {
          parts.push(part.slice())
        },
      )
      const page = JSON.parse(Buffer.concat(parts).toString('utf8')) as Page | readonly unknown[]
      if (isList(page)) entries += page.length
      else {
        entries += page.entries.length
        cursor = page.next ?? ''
      }
      if (entries > job.expectEntries) break
    }
    if (entries !== job.expectEntries) throw new Error(`${entries} entries instead of ${job.expectEntries}`)
    return bytes
  })
}

const isList = (page: Page | readonly unknown[]): page is readonly unknown[] => Array.isArray(page)
