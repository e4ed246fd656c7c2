/** A server as a process of a service manager, from its start to its end. */
import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatagramSocket, socketProblem } from './datagram-socket.ts'

const main = join(import.meta.dir, '../../src/cli/main.ts')
const testMsMax = 30_000
const folders: string[] = []
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true })
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'stillpoint-service-'))
  folders.push(made)
  return made
}

const serve = (data: string, socket: string) =>
  Bun.spawn([process.execPath, main, 'serve', '--data', data, '--listen', '127.0.0.1:0'], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...process.env, NOTIFY_SOCKET: socket, STILLPOINT_VOLUME_BYTES_MAX: '256MiB' },
  })

const onSockets = test.skipIf(socketProblem !== null)
const named = (name: string) => (socketProblem === null ? name : `${name} (${socketProblem})`)

onSockets(
  named('a server tells when it opens, when it takes requests and when it ends'),
  async () => {
    const place = folder()
    const name = join(place, 'notify')
    const socket = DatagramSocket.bind(name)
    const server = serve(join(place, 'data'), name)
    try {
      const { value } = await server.stdout.getReader().read()
      const url = /^ready (\S+)/.exec(Buffer.from(value!).toString())![1]
      expect(socket.receiveAll()).toEqual([
        `STATUS=opening the volume in ${join(place, 'data')}`,
        `READY=1\nSTATUS=serving ${url} role=primary cp=1`,
      ])
      server.kill('SIGTERM')
      expect(await server.exited).toBe(0)
      expect(socket.receiveAll()).toEqual(['STOPPING=1\nSTATUS=stopping after SIGTERM'])
    } finally {
      server.kill('SIGKILL')
      socket.close()
    }
  },
  testMsMax,
)

test(
  'a server that cannot start ends, also where nobody hears of the failure',
  async () => {
    const place = folder()
    const data = join(place, 'data')
    writeFileSync(data, 'no folder')
    const server = serve(data, join(place, 'nobody'))
    expect(await server.exited).toBe(1)
    expect(await server.stderr.text()).toMatch(/^stillpoint: .*data/m)
  },
  testMsMax,
)
