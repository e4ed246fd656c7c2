/** Small requests: the timed window, the fill and the verification of what was written. */
import { Connection } from './connection.ts'
import { contentOf, flatPath, keyPath, stampBytes, writeContent } from './content.ts'
import { Histogram } from './histogram.ts'
import type { FillJob, RequestsJob, RequestsResult, TimedResult, VerifyJob, VerifyResult } from './jobs.ts'

const wrongMax = 10
const encoder = new TextEncoder()

/** Which version of each key was acknowledged last; by port and prefix. */
const books = new Map<string, Map<number, number>>()

function bookOf(job: { readonly port: number; readonly prefix: string }): Map<number, number> {
  const name = `${job.port} ${job.prefix}`
  let book = books.get(name)
  if (!book) books.set(name, (book = new Map<number, number>()))
  return book
}

interface Target {
  readonly prefix: string
  readonly query: string
}

const putHead = (target: Target, path: string, bytes: number, more = ''): Uint8Array =>
  encoder.encode(
    `PUT ${target.prefix}${path}${target.query} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}Content-Length: ${bytes}\r\n\r\n`,
  )
const readHead = (method: string, target: Target, path: string, more = ''): Uint8Array =>
  encoder.encode(
    `${method} ${target.prefix}${path}${target.query} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`,
  )

/** One connection of a job: `next` makes a request and says when there is none left. */
interface Worker {
  next(connection: Connection, done: () => void, fail: (error: Error) => void): boolean
}

async function drive(port: number, workers: readonly Worker[]): Promise<void> {
  const open: Connection[] = []
  try {
    let failAll: (error: Error) => void = () => undefined
    const failed = new Promise<never>((_resolve, reject) => {
      failAll = reject
    })
    failed.catch(() => undefined)
    for (const _ of workers) open.push(await Connection.open(port, (error) => failAll(error)))
    const ends = workers.map(
      (worker, i) =>
        new Promise<void>((resolve) => {
          const step = (): void => {
            if (!worker.next(open[i]!, step, failAll)) resolve()
          }
          step()
        }),
    )
    await Promise.race([Promise.all(ends), failed])
  } finally {
    for (const connection of open) connection.close()
  }
}

export async function runRequests(job: RequestsJob): Promise<RequestsResult> {
  const histogram = new Histogram()
  const book = bookOf(job)
  const heads: Uint8Array[] = []
  const started = performance.now()
  const from = started + job.warmupSeconds * 1000
  const until = from + job.seconds * 1000
  let issued = 0
  let bytes = 0
  let last = from
  let cpuAtStart = process.cpuUsage()
  let isCounting = false

  const shown = job.token === undefined ? '' : `Authorization: Bearer ${job.token}\r\n`
  const headOf = (key: number): Uint8Array =>
    (heads[key] ??=
      job.method === 'PUT'
        ? putHead(job, keyPath(key), job.bytes, shown)
        : readHead(job.method, job, job.path ?? keyPath(key), shown))

  const worker = (index: number): Worker => {
    let key = index - job.connections
    let seed = index + 1
    let began = 0
    let output = new Uint8Array(0)
    let version = 0
    let done: () => void = () => undefined
    let fail: (error: Error) => void = () => undefined
    let firstPart = true
    const expected = job.method === 'HEAD' ? 0 : (job.rangeBytes ?? job.bytes)
    const exchange = {
      method: job.method,
      ...(job.method === 'GET' && job.path === undefined && job.rangeBytes === undefined
        ? {
            onBody(part: Uint8Array) {
              if (firstPart && part.length >= 4 && (part[0]! | (part[1]! << 8) | (part[2]! << 16)) !== key)
                fail(new Error(`the answer is not the content of ${keyPath(key)}`))
              firstPart = false
            },
          }
        : {}),
      onAnswer(status: number, bodyBytes: number, head: string) {
        const now = performance.now()
        if (status > 299 || status < 200) return fail(new Error(`unexpected answer: ${head.slice(0, 300)}`))
        if (job.method === 'PUT') book.set(key, version)
        else if (bodyBytes !== expected)
          return fail(new Error(`${bodyBytes} bytes instead of ${expected}: ${head.slice(0, 300)}`))
        if (began >= from) {
          histogram.add(now - began)
          bytes += job.method === 'PUT' ? job.bytes : bodyBytes
          last = now
        }
        done()
      },
    }
    return {
      next(connection, next, failed) {
        began = performance.now()
        if (began >= until || issued >= job.requestsMax) return false
        if (!isCounting && began >= from) {
          isCounting = true
          cpuAtStart = process.cpuUsage()
        }
        issued++
        done = next
        fail = failed
        firstPart = true
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
        if (job.rangeBytes !== undefined) {
          const at = Math.floor((seed / 2 ** 32) * (job.bytes - job.rangeBytes))
          const range = `Range: bytes=${at}-${at + job.rangeBytes - 1}\r\n`
          connection.send(readHead('GET', job, job.path ?? keyPath(0), range), exchange)
          return true
        }
        if (job.isRandom === true) key = Math.floor((seed / 2 ** 32) * job.keys)
        else {
          key += job.connections
          if (key >= job.keys) key = index % job.keys
        }
        const head = headOf(key)
        if (job.method !== 'PUT') connection.send(head, exchange)
        else {
          version = (book.get(key) ?? 0) + 1
          const length = head.length + job.bytes
          if (output.length !== length) output = new Uint8Array(length)
          output.set(head)
          writeContent(output, head.length, job.bytes, key, version)
          connection.send(output, exchange)
        }
        return true
      },
    }
  }
  const connections = job.method === 'PUT' ? Math.min(job.connections, job.keys) : job.connections
  await drive(
    job.port,
    Array.from({ length: connections }, (_, i) => worker(i)),
  )
  const cpu = process.cpuUsage(cpuAtStart)
  return {
    count: histogram.count,
    seconds: Math.max(1e-6, (last - from) / 1000),
    bytes,
    p50: histogram.percentile(0.5),
    p99: histogram.percentile(0.99),
    max: histogram.max,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  }
}

export async function runFill(job: FillJob): Promise<TimedResult> {
  const book = bookOf(job)
  const started = performance.now()
  const cpuAtStart = process.cpuUsage()
  let next = job.firstKey
  const end = job.firstKey + job.keys
  const worker = (): Worker => ({
    next(connection, done, fail) {
      if (next >= end) return false
      const key = job.keyList?.[next] ?? next
      next++
      const path = job.isFlat === true ? flatPath(key) : keyPath(key)
      const head = putHead(job, path, job.bytes)
      const output = new Uint8Array(head.length + job.bytes)
      output.set(head)
      writeContent(output, head.length, job.bytes, key, job.version)
      connection.send(output, {
        method: 'PUT',
        onAnswer(status, _bodyBytes, answer) {
          if (status > 299 || status < 200)
            return fail(new Error(`unexpected answer: ${answer.slice(0, 300)}`))
          book.set(key, job.version)
          done()
        },
      })
      return true
    },
  })
  await drive(job.port, Array.from({ length: Math.min(job.connections, job.keys) }, worker))
  const cpu = process.cpuUsage(cpuAtStart)
  return {
    seconds: (performance.now() - started) / 1000,
    bytes: job.keys * job.bytes,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  }
}

export async function runVerify(job: VerifyJob): Promise<VerifyResult> {
  const left = [...bookOf({ port: job.writtenPort ?? job.port, prefix: job.prefix })]
  let wrong = 0
  const checked = left.length
  const worker = (): Worker => ({
    next(connection, done, fail) {
      const entry = left.pop()
      if (!entry) return false
      const [key, version] = entry
      const expected = contentOf(job.bytes, key, version)
      let at = 0
      let isSame = true
      connection.send(readHead('GET', { prefix: job.prefix, query: '' }, keyPath(key)), {
        method: 'GET',
        onBody(part) {
          isSame &&= Buffer.compare(part, expected.subarray(at, at + part.length)) === 0
          at += part.length
        },
        onAnswer(status) {
          if (status !== 200 || !isSame || at !== job.bytes) wrong++
          if (wrong > wrongMax) return fail(new Error(`${wrong} files under ${job.prefix} are wrong`))
          done()
        },
      })
      return true
    },
  })
  await drive(job.port, Array.from({ length: job.connections }, worker))
  return { checked, wrong: job.bytes < stampBytes ? 0 : wrong }
}
