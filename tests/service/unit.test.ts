/** The unit for systemd: it is one that systemd understands, closed as far as the server allows, and waits for it. */
import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const deploy = join(import.meta.dir, '../../deploy')
const unit = readFileSync(join(deploy, 'stillpoint@.service'), 'utf8')
const mirror = readFileSync(join(deploy, 'mirror.conf'), 'utf8')
const analyze = Bun.which('systemd-analyze')
const problem = analyze === null ? 'no systemd-analyze' : null
const place = mkdtempSync(join(tmpdir(), 'stillpoint-unit-'))
afterAll(() => rmSync(place, { recursive: true }))

/** Its score times ten: 3.0 is where systemd begins to call a service exposed to some degree. */
const exposureMax = 30

function run(...inputs: string[]): { readonly code: number; readonly said: string } {
  const done = Bun.spawnSync([analyze!, ...inputs], { stdout: 'pipe', stderr: 'pipe' })
  return { code: done.exitCode, said: `${done.stderr.toString()}${done.stdout.toString()}` }
}

const named = (name: string) => (problem === null ? name : `${name} (${problem})`)

test.skipIf(problem !== null)(named('the exposure of the service is at most 3.0'), () => {
  const { code, said } = run(
    'security',
    '--offline=true',
    `--threshold=${exposureMax}`,
    join(deploy, 'stillpoint@.service'),
  )
  expect(said).toMatch(/Overall exposure level for stillpoint@\S+: [0-2]\.\d/)
  expect(code).toBe(0)
})

test.skipIf(problem !== null)(
  named('systemd has nothing to say about the unit, nor about that of a mirror'),
  () => {
    // The program is not installed where the tests run.
    const here = (text: string) => text.replaceAll('/usr/local/bin/stillpoint', '/bin/true')
    writeFileSync(join(place, 'stillpoint@.service'), here(unit))
    expect(run('verify', '--man=no', join(place, 'stillpoint@.service'))).toEqual({ code: 0, said: '' })
    mkdirSync(join(place, 'stillpoint@.service.d'))
    writeFileSync(join(place, 'stillpoint@.service.d/mirror.conf'), here(mirror))
    expect(run('verify', '--man=no', join(place, 'stillpoint@.service'))).toEqual({ code: 0, said: '' })
  },
)

test('systemd waits for a long replay, and is told that the server lives', () => {
  for (const line of ['Type=notify', 'TimeoutStartSec=infinity', 'RestartPreventExitStatus=70'])
    expect(unit.split('\n')).toContain(line)
  expect(unit).toMatch(/^WatchdogSec=\d+$/m)
})

test('secrets come as credentials, and no line has one', () => {
  expect([...unit.matchAll(/^LoadCredential=(\S+?):/gm)].map(([, name]) => name)).toEqual([
    'admin-token',
    'secret',
  ])
  expect(unit).not.toMatch(/^SetCredential|^ExecStart=.*(?:token|secret)/m)
})
