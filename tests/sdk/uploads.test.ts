/** Uploads in parts that meet each other, that are in doubt, and that go on in another call. */
import { expect, test } from 'bun:test'
import { ClientError, type Source, type UploadOptions } from '../../sdk/src/index.ts'
import { FakeFiles } from './fake-files.ts'
import { refusal } from './fake-servers.ts'

const path = 'd/a'
const beside = 'd/.upload-mine'
const options = { id: 'mine', partBytes: 4 }

const upload = (files: FakeFiles, source: Source, more: UploadOptions = {}): Promise<string> =>
  files.servers.ended(files.servers.client().upload(path, source, { ...options, ...more })).then(
    () => 'done',
    (error: unknown) => {
      if (error instanceof ClientError) return `${error.code}: ${error.message}`
      throw error
    },
  )

const said = { etag: '"1-2-9"', cp: 1, durability: 'logged' }

/** The same content as every kind of source. */
const sources: Readonly<Record<string, (text: string) => Source>> = {
  'a text': (text) => text,
  bytes: (text) => new TextEncoder().encode(text),
  'a Blob': (text) => new Blob([text]),
  'a stream': (text) => new Blob([text]).stream(),
  'an iterable': async function* (text) {
    yield Buffer.from(text.slice(0, 3))
    yield Buffer.from(text.slice(3))
  },
  'a function': (text) => (offset) => new Blob([text.slice(offset)]).stream(),
}

for (const [kind, sourceOf] of Object.entries(sources)) {
  test(`${kind}: goes on behind what has arrived, and sends only the rest`, async () => {
    for (const arrived of ['', '0', '0123', '012345', '01234567', '0123456789']) {
      const files = new FakeFiles()
      files.set(beside, arrived)
      expect([arrived, await upload(files, sourceOf('0123456789'))]).toEqual([arrived, 'done'])
      expect([files.text(path), files.text(beside)]).toEqual(['0123456789', null])
      const [first] = files.servers.heard.filter(({ method }) => method === 'PATCH')
      expect(first?.query['offset']).toBe(arrived.length === 10 ? undefined : String(arrived.length))
    }
  })
  test(`${kind}: a file of another content is left as it is`, async () => {
    for (const arrived of ['01234X', '012X', 'X', '0123456789a', '012345678X']) {
      const files = new FakeFiles()
      files.set(beside, arrived)
      const outcome = await upload(files, sourceOf('0123456789'))
      expect([arrived, outcome]).toEqual([
        arrived,
        arrived.endsWith('a')
          ? `bad-body: ${beside} has more bytes than the body: delete it, or name another id`
          : `precondition-failed: ${beside} has another content: delete it, or name another id`,
      ])
      expect([files.text(beside), files.text(path), files.changes]).toEqual([arrived, null, []])
    }
  })
}

test('a beginning that differs is found in every source that is read from its beginning', async () => {
  for (const [kind, sourceOf] of Object.entries(sources)) {
    const files = new FakeFiles()
    files.set(beside, 'X12345678')
    const outcome = await upload(files, sourceOf('0123456789'))
    // A source that is opened at an offset is compared by its last part.
    expect([kind, outcome.split(':')[0]]).toEqual([
      kind,
      kind === 'a function' ? 'done' : 'precondition-failed',
    ])
  }
})

test('a function is opened one part before the end of what has arrived', async () => {
  const files = new FakeFiles()
  files.set(beside, '01234567')
  const offsets: number[] = []
  const open = (offset: number) => {
    offsets.push(offset)
    return new Blob(['0123456789'.slice(offset)]).stream()
  }
  expect([await upload(files, open), files.text(path), offsets]).toEqual(['done', '0123456789', [4]])
})

test('what was begun with other attributes than are named does not go on', async () => {
  const begun = {
    mode: '0600',
    contentType: 'text/plain; charset=utf-8',
    meta: { of: 'me', share: '100%25' },
  }
  for (const [named, differing] of [
    [{}, null],
    [{ mode: 0o600, contentType: 'text/plain; charset=utf-8', meta: { OF: 'me', share: '100%' } }, null],
    [{ contentType: 'Text/Plain ;Charset="utf-8"' }, null],
    [{ mode: 0o640 }, 'mode'],
    [{ contentType: 'application/json' }, 'contentType'],
    [{ contentType: 'text/plain' }, 'contentType'],
    [{ meta: {} }, 'meta'],
    [{ meta: { of: 'me' } }, 'meta'],
    [{ meta: { of: 'you', share: '100%' } }, 'meta'],
    [{ meta: { of: 'me', share: '100%', more: '' } }, 'meta'],
  ] as const) {
    const files = new FakeFiles()
    files.set(beside, '0123', begun)
    const outcome = await upload(files, '0123456789', named)
    expect([named, outcome]).toEqual([
      named,
      differing === null
        ? 'done'
        : `precondition-failed: ${beside} was begun with another ${differing}: name the same, or another id`,
    ])
    expect(files.changes.length === 0).toBe(differing !== null)
  }
})

/** A source that gives its pieces when it is told to. */
function gated(pieces: readonly string[]) {
  const gates = pieces.map(() => Promise.withResolvers<void>())
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const [i, piece] of pieces.entries()) {
      await gates[i]!.promise
      yield Buffer.from(piece)
    }
  }
  return { source: source(), open: (i: number) => gates[i]!.resolve() }
}

test('two uploads with one id at once: whoever is first gets through, and nothing is mixed', async () => {
  for (const [a, b] of [
    [
      ['aaaa', 'aaaa'],
      ['bbbb', 'bbbb'],
    ],
    [
      ['aaaa', 'aaaa'],
      ['aaaa', 'bbbb'],
    ],
  ] as const) {
    const files = new FakeFiles()
    const [one, other] = [gated(a), gated(b)]
    // Both have looked while nothing was there.
    const works = [upload(files, one.source), upload(files, other.source)] as const
    while (files.servers.heard.length < 2) await Promise.resolve()
    one.open(0)
    while (!files.text(beside)) await Promise.resolve()
    other.open(0)
    other.open(1)
    const second = await works[1]
    one.open(1)
    const outcomes = [await works[0], second].map((outcome) => outcome.split(':')[0])
    expect(outcomes.filter((outcome) => outcome === 'done').length).toBe(1)
    expect(files.text(path)).toBe(outcomes[0] === 'done' ? a.join('') : b.join(''))
  }
})

test('a part in doubt is taken for sent by its bytes, not by its size', async () => {
  for (const [method, index] of [
    ['PUT', 0],
    ['PATCH', 0],
    ['PATCH', 1],
  ] as const)
    for (const how of [
      'the answer is lost',
      'it came twice',
      'somebody else was there',
      'it was lost',
    ] as const) {
      const files = new FakeFiles()
      let seen = 0
      const isIt = (asked: string): boolean => asked === method && seen++ === index
      const at = method === 'PUT' ? 0 : 4 * (index + 1)
      files.before = ({ method: asked }) => {
        if (how !== 'somebody else was there' && how !== 'it was lost') return null
        if (!isIt(asked)) return null
        if (how === 'it was lost') return 'reset'
        files.set(beside, '0123456789'.slice(0, at) + 'XXXXXXXXXX'.slice(at, Math.min(10, at + 4)))
        return null
      }
      files.after = ({ method: asked }) => {
        if (how === 'somebody else was there' || how === 'it was lost' || !isIt(asked)) return null
        return how === 'it came twice' ? refusal(412, 'precondition-failed') : 'reset'
      }
      const outcome = await upload(files, '0123456789')
      const isForeign = how === 'somebody else was there'
      expect([method, index, how, outcome]).toEqual([
        method,
        index,
        how,
        isForeign ? `precondition-failed: somebody else writes to ${beside}` : 'done',
      ])
      expect(files.text(path)).toBe(isForeign ? null : '0123456789')
    }
})

test('the server has as many bytes as were sent, after each part and in the end', async () => {
  for (const [method, size] of [
    ['PUT', 3],
    ['PATCH', 6],
    ['POST', 3],
  ] as const) {
    const files = new FakeFiles()
    files.after = ({ method: asked }) =>
      asked === method
        ? Response.json({ ...said, path: method === 'POST' ? path : beside, size, offset: 4 })
        : null
    const outcome = await upload(files, method === 'PUT' ? new Blob(['0123456789']).stream() : '0123456789')
    expect([method, outcome.split(':')[0]]).toEqual([method, 'bad-answer'])
  }
})

test('the file that is put in its place is the version that this upload has made', async () => {
  const files = new FakeFiles()
  files.before = ({ path: asked }) => {
    if (asked === '/v1/move') files.set(beside, 'XXXXXXXXXX')
    return null
  }
  expect((await upload(files, '0123456789')).split(':')[0]).toBe('precondition-failed')
  expect([files.text(path), files.text(beside)]).toEqual([null, 'XXXXXXXXXX'])
})
