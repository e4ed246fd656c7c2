/** The pair of the README on two machines: its commands, as they stand there, in two network namespaces. */
import { afterEach, expect, test } from 'bun:test'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanEnvironment, commandLine } from '../../tools/live/server-process.ts'
import { type Address, TwoMachines, twoMachinesProblem } from '../../tools/live/two-machines.ts'

const testMsMax = 120_000
const problem = twoMachinesProblem()
const readme = readFileSync(join(import.meta.dir, '../../README.md'), 'utf8')

interface Command {
  readonly on: Address
  readonly words: readonly string[]
}

/** The block of the chapter; a line that ends in a backslash goes on in the next one. */
const commands: readonly Command[] = /### On two machines\n[^]*?```sh by .*\n([^]*?)\n```/
  .exec(readme)![1]!
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .map((line) => {
    const [, text, on] = /^(.*?)\s+# on (10\.0\.0\.[12])(?::.*)?$/.exec(line)!
    return { on: on as Address, words: text!.split(' ') }
  })

const running: Bun.Subprocess[] = []
const leftovers: (() => void)[] = []
afterEach(async () => {
  for (const process of running) process.kill('SIGKILL')
  await Promise.all(running.splice(0).map((process) => process.exited))
  for (const leave of leftovers.splice(0)) leave()
})

test('they are at most six', () => {
  expect(commands.length).toBeGreaterThan(2)
  expect(commands.length).toBeLessThanOrEqual(6)
})

test.skipIf(problem !== null)(
  `they make a pair with TLS, tokens and a pairing code${problem === null ? '' : ` (${problem})`}`,
  async () => {
    const place = mkdtempSync(join(tmpdir(), 'stillpoint-machines-'))
    leftovers.push(() => rmSync(place, { recursive: true }))
    const machines = new TwoMachines()
    leftovers.push(() => machines.remove())
    /** Each machine has a /srv of its own. */
    const srv = (on: Address) => join(place, on)
    for (const on of ['10.0.0.1', '10.0.0.2'] as const) mkdirSync(srv(on))
    const spawn = ({ on, words }: Command, input: string | null = null) => {
      const own = words.slice(1).map((word) => (word.startsWith('/srv') ? srv(on) + word.slice(4) : word))
      const process = Bun.spawn([...machines.on(on), ...commandLine(own)], {
        stdin: input === null ? 'ignore' : new Blob([input]),
        stdout: 'pipe',
        stderr: 'pipe',
        env: cleanEnvironment(),
      })
      running.push(process)
      return process
    }
    const done = async (command: Command, input: string | null = null) => {
      const process = spawn(command, input)
      const [out, err] = await Promise.all([process.stdout.text(), process.stderr.text()])
      return { code: await process.exited, out, err }
    }

    let code = ''
    for (const { on, words } of commands) {
      const [program, verb] = words
      if (program === 'scp') cpSync(join(srv(on), 'keys'), join(srv('10.0.0.2'), 'keys'), { recursive: true })
      else if (verb === 'mirror' || verb === 'serve') {
        const process = spawn({ on, words })
        expect(await until(process.stdout, /^ready https:\/\/10\.0\.0\.[12]:/m)).toBeTruthy()
        if (verb === 'mirror') code = (await until(process.stderr, /pairing code (\S+?),/))![1]!
      } else {
        const ended = await done({ on, words }, words.includes('--code-file') ? `${code}\n` : null)
        expect({ words, ...ended }).toMatchObject({ code: 0 })
      }
    }

    const client = ['--ca', '/srv/keys/tls-cert.pem', '--token-file', '/srv/keys/admin.token']
    const primary = ['--url', 'https://10.0.0.1:7070']
    const mirror = ['--url', 'https://10.0.0.2:7071']
    const ask = (...words: string[]) => done({ on: '10.0.0.1', words: ['stillpoint', ...words] })
    writeFileSync(join(srv('10.0.0.1'), 'a'), 'seen from the other machine')
    const put = await ask('put', '/srv/a', 'a', '--durability', 'mirrored', '--json', ...primary, ...client)
    expect(put).toMatchObject({ code: 0 })
    expect(JSON.parse(put.out)).toMatchObject({ durability: 'mirrored' })
    expect(await ask('get', 'a', '-', ...mirror, ...client)).toMatchObject({
      code: 0,
      out: 'seen from the other machine',
    })
    for (const url of [primary, mirror]) {
      const stranger = await ask('get', 'a', '-', ...url, '--ca', '/srv/keys/tls-cert.pem')
      expect(stranger).toMatchObject({ code: 1, out: '' })
    }
  },
  testMsMax,
)

/** Reads until the text matches, and leaves the stream open; null when it ends before. */
async function until(stream: ReadableStream<Uint8Array>, form: RegExp): Promise<RegExpExecArray | null> {
  const reader = stream.getReader()
  let text = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return null
      text += Buffer.from(value).toString()
      const found = form.exec(text)
      if (found) return found
    }
  } finally {
    reader.releaseLock()
  }
}
