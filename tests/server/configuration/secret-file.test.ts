/** Files that hold a secret: whatever others may read, or is no file, is refused in one line, and nothing waits. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../../../src/lib/user-error.ts'
import { readSecretFile } from '../../../src/server/configuration/secret-file.ts'

const limits = { what: 'secret file', bytesMin: 16, bytesMax: 100 }
const secret = 'a-secret-of-enough-length'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillpoint-secret-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function file(content: string, mode = 0o600): string {
  const path = join(folder, 'secret')
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

function refusal(path: string): string {
  try {
    readSecretFile(path, limits)
  } catch (error) {
    if (error instanceof UserError) return error.message
    throw error
  }
  throw new Error('it was taken')
}

test('a file of its owner alone is taken, with white space around the secret, and by a link', () => {
  for (const mode of [0o600, 0o400]) expect(readSecretFile(file(`${secret}\n`, mode), limits)).toBe(secret)
  const link = join(folder, 'link')
  symlinkSync(file(secret), link)
  expect(readSecretFile(link, limits)).toBe(secret)
})

test('a file that others may read or write is not', () => {
  for (const mode of [0o666, 0o644, 0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
    expect([mode, refusal(file(secret, mode))]).toEqual([
      mode,
      `the secret file ${join(folder, 'secret')} is open to other users (chmod 600 ${join(folder, 'secret')})`,
    ])
})

test('a folder, a device and a pipe that nobody writes to are no files, and nobody waits', () => {
  mkdirSync(join(folder, 'folder'))
  expect(refusal(join(folder, 'folder'))).toContain('has to be a regular file')
  expect(refusal('/dev/zero')).toContain('has to be a regular file')
  const pipe = join(folder, 'pipe')
  if (Bun.spawnSync(['mkfifo', '-m', '600', pipe]).exitCode === 0)
    expect(refusal(pipe)).toContain('has to be a regular file')
  expect(refusal(join(folder, 'nothing'))).toContain('ENOENT')
})

test('a file of another user is not taken', () => {
  const getuid = process.getuid
  // The file belongs to who runs the test; another one asks.
  const path = file(secret)
  if (getuid?.() === 0) Bun.spawnSync(['chown', '12345', path])
  else process.getuid = () => 1
  try {
    expect(refusal(path)).toContain('belongs to another user')
  } finally {
    if (getuid) process.getuid = getuid
  }
})

test('length and letters have limits', () => {
  for (const text of [
    '',
    'short',
    'x'.repeat(15),
    'x'.repeat(101),
    'x'.repeat(5000),
    'two words of a secret',
    'ein Geheimnis für zwei',
  ])
    expect(refusal(file(text))).toContain('the secret file')
  expect(readSecretFile(file('x'.repeat(16)), limits)).toBe('x'.repeat(16))
  expect(readSecretFile(file('x'.repeat(100)), limits)).toBe('x'.repeat(100))
})
