/** GET of small files by whoever has a token, beside the same server when it asks for none. */
import { measureRequests } from '../harness/contestants.ts'
import { type Bench, type Contestant, metrics, type Scenario } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { askJson, startPrimary } from '../servers/stillpoint.ts'
import { fillForReads } from './reads.ts'

const id = 'get-4k-64-token'
const bytes = 4096

interface Reader {
  readonly name: string
  /** Prefix of a second token, which the reader shows; null when the server stays open. */
  readonly prefix: string | null
}

const readers: readonly Reader[] = [
  { name: 'stillpoint without tokens', prefix: null },
  { name: 'stillpoint with a token', prefix: '' },
  { name: 'stillpoint with a token of a prefix', prefix: 'small' },
]

export const tokenReads: Scenario = {
  name: 'reads with a token',
  rows: () => [
    {
      id,
      title: 'GET 4 KiB, 64 connections, with a token and without',
      metrics: [metrics.rate, metrics.p50, metrics.p99, metrics.cpu, metrics.generator],
      subject: 'stillpoint with a token',
    },
  ],
  async open(bench, rows) {
    const generator = await Generator.start(bench.workspace.processes)
    const plain = rows.map((row) => ({ ...row, id: 'get-4k-64' }))
    const contestants: Contestant[] = []
    for (const reader of readers) {
      const server = await startPrimary(bench)
      await fillForReads(bench, generator, server, plain, { query: '?durability=buffered' })
      const token = reader.prefix === null ? null : await tokenOf(server.url, reader.prefix)
      contestants.push({
        name: reader.name,
        role: 'stillpoint',
        measure: () => measureRequests(generator, server, job(bench, server, token)),
        close: () => server.stop(),
      })
    }
    return contestants
  },
}

const job = ({ scale }: Bench, server: { port: number; prefix: string }, token: string | null) =>
  ({
    kind: 'requests',
    method: 'GET',
    port: server.port,
    prefix: `${server.prefix}small/`,
    query: '',
    keys: scale.keys,
    bytes,
    connections: 64,
    seconds: scale.seconds,
    warmupSeconds: scale.warmupSeconds,
    requestsMax: 100_000_000,
    ...(token === null ? {} : { token }),
  }) as const

/** From the first token on the server is closed. */
async function tokenOf(url: string, prefix: string): Promise<string> {
  const admin = await make(url, { name: 'bench', role: 'admin' }, {})
  return make(url, { name: 'bench', role: 'reader', prefix }, { Authorization: `Bearer ${admin}` })
}

async function make(url: string, wish: object, headers: Record<string, string>): Promise<string> {
  const { token } = await askJson<{ token: string }>(`${url}/v1/tokens`, {
    method: 'POST',
    body: JSON.stringify(wish),
    headers: { 'Content-Type': 'application/json', ...headers },
  })
  return token
}
