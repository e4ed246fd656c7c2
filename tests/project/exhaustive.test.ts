/** What is new and handled by nobody does not compile: planted in a copy of the sources, each is found where it is missing. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dir, '../..')

interface Plant {
  readonly what: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Files that do not compile then, and a word of the message: the name that nobody handles. */
  readonly expected: Readonly<Record<string, RegExp>>
}

const plants: readonly Plant[] = [
  {
    what: 'a kind of frame',
    file: 'src/format/wire/messages.ts',
    find: '  patches: 80,',
    replace: `  patches: 80,\n  'planted-kind': 90,`,
    expected: {
      'src/format/wire/messages.ts': /planted-kind/,
      'src/format/wire/bodies.ts': /return/,
      'src/format/wire/frames.ts': /planted-kind/,
    },
  },
  {
    what: 'a frame that the primary says',
    file: 'src/format/wire/messages.ts',
    find: `  | { readonly kind: 'poll'; readonly remark: PollRemark }`,
    replace: `  | { readonly kind: 'poll'; readonly remark: PollRemark }\n  | { readonly kind: 'planted-frame' }`,
    expected: { 'src/format/wire/bodies.ts': /return/, 'src/format/wire/messages.ts': /planted-frame/ },
  },
  {
    what: 'a frame of the primary that the mirror does not handle',
    file: 'src/format/wire/messages.ts',
    find: `  report: 'mirror',`,
    replace: `  report: 'primary',`,
    expected: {
      'src/replica/mirror/applier.ts': /'never'/,
      'src/replica/mirror/mirror-applier.ts': /'never'/,
      'src/replica/primary/shipper.ts': /report/,
    },
  },
  {
    what: 'a frame of the mirror that the primary does not handle',
    file: 'src/format/wire/messages.ts',
    find: `  offer: 'primary',`,
    replace: `  offer: 'mirror',`,
    expected: { 'src/replica/primary/shipper.ts': /'never'/, 'src/replica/mirror/applier.ts': /offer/ },
  },
  {
    what: 'an error on the wire',
    file: 'src/format/wire/messages.ts',
    find: `  'newer-format',\n] as const`,
    replace: `  'newer-format',\n  'planted-error',\n] as const`,
    expected: { 'src/replica/primary/mirror-troubles.ts': /planted-error/ },
  },
  {
    what: 'a need of a mirror',
    file: 'src/format/wire/messages.ts',
    find: `  'a-newer-version',\n] as const`,
    replace: `  'a-newer-version',\n  'planted-need',\n] as const`,
    expected: {
      'src/replica/primary/mirror-troubles.ts': /'never'/,
      'src/server/mirror.ts': /planted-need/,
    },
  },
  {
    what: 'an event and an action of the mirror',
    file: 'src/replica/mirror/applier-events.ts',
    find: `  | { readonly kind: 'cut-long-readers' }`,
    replace: `  | { readonly kind: 'cut-long-readers' }\n  | { readonly kind: 'planted-action' }`,
    expected: { 'src/replica/mirror/mirror-applier.ts': /'never'/ },
  },
  {
    what: 'an event of the primary',
    file: 'src/replica/primary/shipper-events.ts',
    find: `  | { readonly kind: 'tick' }`,
    replace: `  | { readonly kind: 'tick' }\n  | { readonly kind: 'planted-event' }`,
    expected: { 'src/replica/primary/shipper.ts': /'never'/ },
  },
  {
    what: 'an action of the primary',
    file: 'src/replica/primary/shipper-events.ts',
    find: `  | { readonly kind: 'mirrored' }`,
    replace: `  | { readonly kind: 'mirrored' }\n  | { readonly kind: 'planted-action' }`,
    expected: { 'src/replica/primary/member-link.ts': /'never'/ },
  },
  {
    what: 'a step of a batch',
    file: 'src/fs/contract.ts',
    find: `  | ({ readonly op: 'mkdir'; readonly path: Path } & Attributes)`,
    replace: `  | ({ readonly op: 'mkdir'; readonly path: Path } & Attributes)\n  | { readonly op: 'planted-step' }`,
    expected: { 'src/fs/write/batch.ts': /return/ },
  },
]

let copy = ''
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'stillpoint-exhaustive-'))
  for (const name of ['src', 'sdk/src', 'package.json', 'drizzle'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  const options = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as object
  writeFileSync(join(copy, 'tsconfig.json'), JSON.stringify({ ...options, include: ['src'] }))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

/** Messages of the compiler, by file. */
function check(): Map<string, string> {
  const done = Bun.spawnSync([process.execPath, 'check', '--no-script'], { cwd: copy, stderr: 'pipe' })
  const found = new Map<string, string>()
  for (const line of (done.stdout.toString() + done.stderr.toString()).split('\n')) {
    const file = /^(src\/[^(]+)\(\d+,\d+\): error/.exec(line)?.[1]
    if (file) found.set(file, `${found.get(file) ?? ''}${line}\n`)
  }
  return found
}

test('the copy compiles as it is', () => expect([...check().entries()]).toEqual([]), 60_000)

test.each(plants)(
  '$what',
  ({ file, find, replace, expected }) => {
    const path = join(copy, file)
    const text = readFileSync(path, 'utf8')
    expect(text.split(find)).toHaveLength(2)
    writeFileSync(path, text.replace(find, replace))
    try {
      const found = check()
      for (const [name, message] of Object.entries(expected)) expect(found.get(name) ?? name).toMatch(message)
    } finally {
      writeFileSync(path, text)
    }
  },
  60_000,
)
