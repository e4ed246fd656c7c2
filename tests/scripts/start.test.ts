import { afterEach, beforeEach, expect, test } from 'bun:test'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import type { TempFolder } from '../blockdev/temp-folder.ts'
import { fakeProject, freePort } from './fake-project.ts'

let project: TempFolder
let ports: readonly [primary: number, mirror: number]
const started: Bun.Subprocess[] = []

beforeEach(() => {
  project = fakeProject()
  ports = [freePort(), freePort()]
})
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL')
    await child.exited
  }
  project.remove()
})

function start() {
  const args = ['--port', String(ports[0]), '--mirror-port', String(ports[1]), '--data', project.file('data')]
  const child = Bun.spawn(['node', project.file('scripts/start.mjs'), ...args], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  started.push(child)
  return child
}

test.each([
  [['--help'], 0],
  [['-h'], 0],
  [['--bogus'], 2],
  [['extra'], 2],
  [['--port'], 2],
  [['--port', 'x'], 2],
  [['--port', '0'], 2],
  [['--port', '65536'], 2],
  [['--port', '7071'], 2],
])('%p ends with %p before anything is started', (args, code) => {
  const done = Bun.spawnSync(['node', project.file('scripts/start.mjs'), ...args])
  const [out, err] = [done.stdout.toString(), done.stderr.toString()]
  expect(done.exitCode).toBe(code)
  expect(readdirSync(project.path)).not.toContain('data')
  if (code === 0) {
    for (const flag of ['--port PORT', '--mirror-port PORT', '--data DIR']) expect(out).toContain(flag)
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  } else
    expect([out, err]).toEqual([
      '',
      expect.stringMatching(/^npm start: [^\n]+ \(npm start -- --help\)\n$/) as string,
    ])
})

/** What it printed up to the last of its lines. */
async function whenReady(child: ReturnType<typeof start>): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk)
    if (text.includes('/v1/dirs')) return text
  }
  throw new Error(`it ended: ${text}${await new Response(child.stderr).text()}`)
}

const answers = async (port: number): Promise<boolean> => {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`)).ok
  } catch {
    return false
  }
}
const expectNothingLeft = async (): Promise<void> => {
  for (const port of ports) expect(await answers(port)).toBe(false)
}

test('both addresses, three lines to try, and both servers with their arguments', async () => {
  const text = await whenReady(start())
  expect(text).toContain(`http://127.0.0.1:${ports[0]}`)
  expect(text).toContain(`http://127.0.0.1:${ports[1]}`)
  expect(text.match(/^ {2}curl /gm)).toHaveLength(3)
  const data = project.file('data')
  const primary = await (await fetch(`http://127.0.0.1:${ports[0]}/`)).text()
  expect(primary).toBe(
    `--data ${data}/primary --listen 127.0.0.1:${ports[0]} --secret-file ${data}/secret --mirror http://127.0.0.1:${ports[1]}`,
  )
  const mirror = await (await fetch(`http://127.0.0.1:${ports[1]}/`)).text()
  expect(mirror).toBe(`--data ${data}/mirror --listen 127.0.0.1:${ports[1]} --secret-file ${data}/secret`)
})

test('the pair has a secret of its own, which only its owner may read, and keeps it', async () => {
  const secret = project.file('data/secret')
  const begin = async () => {
    const child = start()
    await whenReady(child)
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    return readFileSync(secret, 'utf8')
  }
  const first = await begin()
  expect(first).toMatch(/^[\w-]{43}\n$/)
  expect(statSync(secret).mode & 0o777).toBe(0o600)
  expect(await begin()).toBe(first)
  expect(readdirSync(project.file('data')).filter((name) => name.startsWith('secret'))).toEqual(['secret'])
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s stops both, the primary first, and is a success',
  async (signal) => {
    const child = start()
    await whenReady(child)
    child.kill(signal)
    expect(await child.exited).toBe(0)
    const stops = readFileSync(project.file('stops'), 'utf8').trim().split('\n')
    expect(stops).toEqual(['serve stopping', 'serve stopped', 'mirror stopping', 'mirror stopped'])
    await expectNothingLeft()
  },
)

test.each([0, 1] as const)('a taken port (%d) is one line and an error, and nothing runs', async (which) => {
  const server = Bun.serve({
    port: ports[which],
    hostname: '127.0.0.1',
    fetch: () => new Response('', { status: 418 }),
  })
  const child = start()
  expect(await child.exited).not.toBe(0)
  expect(await new Response(child.stderr).text()).toBe(`port ${ports[which]} is in use\n`)
  expect(await new Response(child.stdout).text()).toBe('')
  await server.stop(true)
  await expectNothingLeft()
})

test.each([0, 1] as const)(
  'when one server (%d) ends by itself the other is stopped, with an error',
  async (which) => {
    const child = start()
    await whenReady(child)
    await fetch(`http://127.0.0.1:${ports[which]}/die`).catch(() => undefined)
    expect(await child.exited).toBe(1)
    expect(await new Response(child.stderr).text()).toContain(
      `the ${which === 0 ? 'primary' : 'mirror'} ended with exit code 70`,
    )
    expect(readFileSync(project.file('stops'), 'utf8')).toContain(
      which === 0 ? 'mirror stopped' : 'serve stopped',
    )
    await expectNothingLeft()
  },
)

test('no server outlives it, even when it is killed', async () => {
  const child = start()
  await whenReady(child)
  child.kill('SIGKILL')
  await child.exited
  for (let i = 0; i < 50 && ((await answers(ports[0])) || (await answers(ports[1]))); i++) await Bun.sleep(50)
  await expectNothingLeft()
})
