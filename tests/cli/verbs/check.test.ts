/** The real program: what `check` says of a killed server's volume, whole and damaged, is what `serve` does then. */
import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckReport } from '../../../src/cp-engine/check.ts'
import { blockBytes, makeGeometry, superblockAddress } from '../../../src/format/geometry.ts'
import { blockFileName } from '../../../src/server/volume-folder.ts'
import { runProcess, serverProcesses } from '../processes.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const start = serverProcesses()
const folder = temporaryFolders()
const free = ['--listen', '127.0.0.1:0'] as const
const { logAddress } = makeGeometry()

function flip(path: string, block: number, byte: number): void {
  const file = openSync(join(path, blockFileName), 'r+')
  const one = new Uint8Array(1)
  readSync(file, one, 0, 1, block * blockBytes + byte)
  one[0]! ^= 1
  writeSync(file, one, 0, 1, block * blockBytes + byte)
  closeSync(file)
}

const sumOf = (path: string): string =>
  createHash('sha256')
    .update(readFileSync(join(path, blockFileName)))
    .digest('hex')

async function check(
  path: string,
): Promise<{ code: number | null; report: CheckReport & { ok: boolean }; out: string }> {
  const before = sumOf(path)
  const { code, out } = await runProcess('check', path)
  const json = await runProcess('check', path, '--json')
  expect([json.code, sumOf(path)]).toEqual([code, before])
  return { code, out, report: JSON.parse(json.out) as CheckReport & { ok: boolean } }
}

test('warnings leave exit 0, and a sealed log that is damaged is refused as check says, with its way out', async () => {
  const path = folder()
  const flags = ['--data', path, ...free, '--log-bytes', '2MiB', '--cp-interval-ms', '60000']
  const server = await start('serve', ...flags)
  const put = (name: string) =>
    fetch(`${server.url}/v1/files/${name}?durability=logged`, { method: 'PUT', body: name })
  for (const name of ['a', 'b']) expect((await put(name)).ok).toBe(true)
  // The idle log seals its last group.
  await Bun.sleep(200)
  expect((await server.end('SIGKILL')).code).not.toBe(0)

  const whole = await check(path)
  expect(whole).toMatchObject({
    code: 0,
    report: {
      ok: true,
      findings: [],
      log: { operations: 2, end: 'clean' },
      open: { outcome: 'opens', replayed: 2, fenced: null },
    },
  })
  expect(whole.out).toContain('an open replays 2 operations')

  const copy = superblockAddress(0, 0)
  flip(path, copy, 100)
  const warned = await check(path)
  expect(warned).toMatchObject({
    code: 0,
    report: { ok: true, findings: [{ severity: 'warning', kind: 'superblock-copy', address: copy }] },
  })
  expect(warned.out).toContain(`warning superblock-copy: block ${copy}: `)

  // The first group of the log.
  flip(path, logAddress, 200)
  const damaged = await check(path)
  expect(damaged).toMatchObject({
    code: 1,
    report: {
      ok: false,
      log: { operations: 0, end: 'damaged' },
      open: { outcome: 'refused', code: 'corrupt', waysOut: ['restore from a mirror', '--accept-loss=log'] },
    },
  })
  expect(damaged.out).toContain(`error log-group: block ${logAddress}: `)
  expect(damaged.out).toContain('way out: --accept-loss=log')
  const refused = await runProcess('serve', ...flags)
  expect(refused.code).toBe(1)
  const { open } = damaged.report
  expect(refused.err).toContain(open.outcome === 'refused' ? open.message : 'refused')

  const after = await start('serve', ...flags, '--accept-loss', 'log')
  expect((await fetch(`${after.url}/v1/files/a`)).status).toBe(404)
  const ended = await after.end()
  expect(ended.code).toBe(0)
  expect(ended.err).toContain('firstSequence')
  expect(await check(path)).toMatchObject({ code: 0, report: { findings: [], open: { replayed: 0 } } })
}, 60_000)
