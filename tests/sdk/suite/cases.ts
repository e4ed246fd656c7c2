/** What a client promises, wherever it runs. */
import { Client } from '../../../sdk/src/index.ts'
import { type Case, bytesAt, checkContent, codeOf, contentStream, equal, isTrue, thrownBy } from './world.ts'

const names = [
  'a b',
  '100%',
  '%41',
  'é',
  'e\u0301',
  '#',
  '?',
  '..x',
  'a&b=c+d;e',
  '\'"<>|\\^`{}[]',
  '\ufeffbom',
  '文件',
  '\u{1f600}',
  `${'é'.repeat(127)}x`,
]

const contents = {
  binary: Uint8Array.from({ length: 256 }, (_, i) => i),
  text: '"quotes" stay, é too',
  empty: '',
}

const text = async (client: Client, path: string): Promise<string> => (await client.get(path)).text()

export const cases: Readonly<Record<string, Case>> = {
  async 'names round trip'({ client: make, folder }) {
    const client = make()
    for (const name of names) {
      const path = `${folder}/${name}`
      await client.put(path, name)
      equal(await text(client, path), name)
      equal((await client.stat(path)).path, path)
      await client.move(path, `${folder}/moved/${name}`)
      equal(await text(client, `${folder}/moved/${name}`), name)
    }
    const listed: string[] = []
    for await (const { name } of client.list(`${folder}/moved`, { limit: 3 })) listed.push(name)
    equal([...listed].sort(), [...names].sort())
    for (const name of names) await client.deleteFile(`${folder}/moved/${name}`)
    equal((await client.page(`${folder}/moved`)).entries, [])
  },

  async 'contents round trip'({ client: make, folder }) {
    const client = make()
    for (const [name, content] of Object.entries(contents)) {
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
      for (const body of [content, bytes, new Blob([bytes])]) {
        await client.put(`${folder}/${name}`, body)
        const file = await client.get(`${folder}/${name}`)
        equal([...(await file.bytes())], [...bytes])
      }
    }
    // Larger than what one call of an engine without base64 of its own takes.
    const large = bytesAt(0, 200_001)
    await client.batch([{ op: 'put', path: `${folder}/large`, bytes: large }])
    await checkContent(await client.get(`${folder}/large`), large.length)
    const batched = await client.batch([
      { op: 'put', path: `${folder}/b`, bytes: contents.binary, meta: { of: 'a batch' } },
      { op: 'move', from: `${folder}/b`, to: `${folder}/c` },
    ])
    equal(
      batched.results.map(({ status }) => status),
      [201, 201],
    )
    equal([...(await (await client.get(`${folder}/c`)).bytes())], [...contents.binary])
    equal((await client.stat(`${folder}/c`)).meta['of'], 'a batch')
  },

  async 'attributes are plain values'({ client: make, folder }) {
    const client = make()
    const meta = { author: 'Zoë  Ångström', share: '100%', empty: '', odd: ' a\tb ' }
    const path = `${folder}/a`
    const written = await client.put(path, 'x', {
      meta,
      mode: 0o640,
      modified: '2020-01-02T03:04:05.678Z',
      contentType: 'text/plain',
    })
    const stat = await client.stat(path)
    equal({ ...stat.meta }, { author: meta.author, empty: '', odd: meta.odd, share: '100%' })
    equal([stat.mode, stat.modified, stat.contentType], ['0640', '2020-01-02T03:04:05.678Z', 'text/plain'])
    const file = await client.get(path)
    equal([file.etag, file.contentType, file.modified], [written.etag, 'text/plain', stat.modified])
    await file.bytes()
  },

  async 'ranges, patches and sizes'({ client: make, folder }) {
    const client = make()
    const path = `${folder}/a`
    await client.put(path, '0123456789')
    const part = await client.get(path, { range: { offset: 2, length: 3 } })
    equal([part.size, await part.text()], [3, '234'])
    equal(await (await client.get(path, { range: { offset: 8 } })).text(), '89')
    equal(await codeOf(client.get(path, { range: { offset: 10 } })), 'range-not-satisfiable')
    equal((await client.patch(path, 'end', 'ab')).offset, 10)
    await client.patch(path, 0, 'X')
    equal((await client.resize(path, 3)).size, 3)
    equal(await text(client, path), 'X12')
  },

  async 'refusals are codes'({ client: make, folder, nobody, control }) {
    const client = make({ retriesMax: 0 })
    const path = `${folder}/a`
    const { etag } = await client.put(path, 'x')
    equal(await codeOf(client.get(`${folder}/none`)), 'not-found')
    equal(await codeOf(client.get(folder)), 'is-a-directory')
    equal(await codeOf(client.put(path, 'y', { ifNoneMatch: '*' })), 'precondition-failed')
    equal(await codeOf(client.put(path, 'y', { ifMatch: '"1-2-3"' })), 'precondition-failed')
    await client.put(path, 'y', { ifMatch: etag })
    await client.put(`${folder}/b`, 'x')
    equal(await codeOf(client.move(path, `${folder}/b`)), 'exists')
    equal(await codeOf(client.move(`${folder}/none`, path, { ifMatch: etag })), 'not-found')
    await client.move(path, `${folder}/b`, { overwrite: true })
    for (const bad of ['.', '..', 'a//b', '/a', 'a/', 'a/../b', '\ud800'])
      equal([bad, await codeOf(client.put(bad, 'x'))], [bad, 'bad-path'])
    equal(await codeOf(new Client(nobody, { retriesMax: 0 }).stat('')), 'unreachable')
    equal(await codeOf(new Client(control, { retriesMax: 0 }).stat('')), 'bad-answer')
  },

  async 'a listing is of one consistency point, in any pages'({ client: make, folder, entries }) {
    const client = make()
    const wanted: string[] = []
    for (let i = 0; i < entries; i += 1000) {
      const some = Array.from(
        { length: Math.min(1000, entries - i) },
        (_, j) => `f${String(i + j).padStart(7, '0')}`,
      )
      wanted.push(...some)
      await client.batch(
        some.map((name) => ({ op: 'put', path: `${folder}/${name}`, text: '' }) as const),
        { durability: 'buffered' },
      )
    }
    const cps = new Set<number>()
    let count = 0
    for await (const { name, cp } of client.list(folder)) {
      if (name !== wanted[count]) throw new Error(`${name} instead of ${wanted[count]}`)
      cps.add(cp)
      if (count++ === 1500) await client.put(`${folder}/a-new`, 'x')
    }
    equal([count, cps.size], [entries, 1])
  },

  async 'streams go up and down, and take little memory'({ client: make, folder, streamBytes }) {
    const client = make()
    const path = `${folder}/large`
    let sent = 0
    const written = await client.put(path, contentStream(streamBytes), {
      onProgress: ({ sentBytes }) => (sent = sentBytes),
    })
    equal([written.size, sent], [streamBytes, streamBytes])
    let received = 0
    const file = await client.get(path, { onProgress: ({ receivedBytes }) => (received = receivedBytes) })
    await checkContent(file, streamBytes)
    equal(received, streamBytes)
    const stream = (await client.get(path, { range: { offset: streamBytes - 100_000 } })).stream()
    await checkContent(iterated(stream), streamBytes, streamBytes - 100_000)
    await client.deleteFile(path)
  },

  async 'an upload reads no more ahead than one part'({ client: make, folder }) {
    const client = make()
    const partBytes = 2 ** 20
    const bytes = 5 * partBytes + 17
    let made = 0
    let aheadMax = 0
    const source = contentStream(bytes, { onMade: (at) => (made = at) })
    const seen: number[] = []
    await client.upload(`${folder}/a`, source, {
      partBytes,
      meta: { of: 'an upload' },
      onProgress({ sentBytes }) {
        seen.push(sentBytes)
        aheadMax = Math.max(aheadMax, made - sentBytes)
      },
    })
    isTrue(aheadMax <= partBytes, `${aheadMax} bytes ahead`)
    equal(seen, [0, 1, 2, 3, 4, 5].map((part) => part * partBytes).concat(bytes))
    await checkContent(await client.get(`${folder}/a`), bytes)
    equal((await client.stat(`${folder}/a`)).meta['of'], 'an upload')
    equal(
      (await client.page(folder)).entries.map(({ name }) => name),
      ['a'],
    )
  },

  async 'an upload that is cut goes on where it was'({ client: make, folder, door, cut, mend, cuts }) {
    const partBytes = 2 ** 18
    const bytes = 6 * partBytes + 1
    const path = `${folder}/a`
    const before = await cuts()
    const attributes = { mode: 0o640, contentType: 'Text/Plain; charset=utf-8', meta: { Of: 'an upload' } }
    const hasty = new Client(door, { retriesMax: 0 })
    await cut({ direction: 'up', afterBytes: 3.5 * partBytes, staysShut: true })
    const code = await codeOf(
      hasty.upload(path, contentStream(bytes), { id: 'mine', partBytes, ...attributes }),
    )
    equal([code, await cuts()], ['unreachable', before + 1])
    await mend()
    equal(await codeOf(make().stat(path)), 'not-found')
    const other = make().upload(path, contentStream(bytes), { id: 'mine', partBytes, mode: 0o600 })
    equal(await codeOf(other), 'precondition-failed')
    const offsets: number[] = []
    await make().upload(
      path,
      (offset) => {
        offsets.push(offset)
        return contentStream(bytes, { offset })
      },
      { id: 'mine', partBytes, ...attributes },
    )
    // The last part that has arrived is compared.
    equal(offsets, [2 * partBytes])
    equal((await make().stat(path)).mode, '0640')
    await checkContent(await make().get(path), bytes)
  },

  async 'an upload survives cuts of requests and of answers by itself'({ folder, door, cut, cuts, client }) {
    const partBytes = 2 ** 18
    const bytes = new Blob([bytesAt(0, 3 * partBytes + 5)])
    const patient = new Client(door, { random: () => 0 })
    const tried: Parameters<typeof cut>[0][] = [{ direction: 'up', afterBytes: 1.5 * partBytes }]
    // The answers of a PUT, of some PATCHes and of the move are lost, after the server has done what was asked.
    for (let answer = 0; answer < 5; answer++) tried.push({ direction: 'down', afterBytes: answer * 350 })
    for (const [i, how] of tried.entries()) {
      const before = await cuts()
      await cut(how)
      const path = `${folder}/${i}`
      const written = await patient.upload(path, bytes, { partBytes })
      equal([written.path, written.size], [path, bytes.size])
      equal([i, await cuts()], [i, before + 1])
      await checkContent(await client().get(path), bytes.size)
    }
    equal(
      (await client().page(folder)).entries.map(({ name }) => name),
      tried.map((_, i) => String(i)),
    )
  },

  async 'a download that is cut goes on where it was'({
    client: make,
    folder,
    door,
    mirror,
    cut,
    mend,
    cuts,
  }) {
    const bytes = 8 * 2 ** 20
    const path = `${folder}/a`
    await make().put(path, bytesAt(0, bytes), { durability: 'mirrored', wait: 30 })
    for (const options of [{}, { mirrors: [mirror] }]) {
      const before = await cuts()
      await cut({ direction: 'down', afterBytes: 3 * 2 ** 20 })
      const file = await new Client(door, { random: () => 0, ...options }).get(path)
      await checkContent(file, bytes)
      equal(await cuts(), before + 1)
    }
    await cut({ direction: 'down', afterBytes: 3 * 2 ** 20, staysShut: true })
    const hasty = await new Client(door, { retriesMax: 0 }).get(path)
    equal(await codeOf(hasty.bytes()), 'cut-short')
    await mend()
  },

  async 'a client reads its own writes from a mirror'({ client: make, folder, mirror }) {
    const client = make({ mirrors: [mirror], readsFrom: 'mirrors', mirrorWait: 30 })
    for (let i = 0; i < 5; i++) {
      const { cp } = await client.put(`${folder}/a`, `version ${i}`)
      const handed = new Client(mirror, { cp: client.cp, mirrorWait: 30 })
      equal(await text(handed, `${folder}/a`), `version ${i}`)
      const file = await client.get(`${folder}/a`)
      equal(await file.text(), `version ${i}`)
      isTrue(file.cp >= cp, 'an older consistency point')
      // Another program goes on from here, with the mirror alone.
      const reader = new Client(mirror, { cp: client.cp })
      equal(await text(reader, `${folder}/a`), `version ${i}`)
    }
  },

  async 'SQL sees what this client has written, on both sides'({ client: make, folder, mirror }) {
    for (const options of [{}, { mirrors: [mirror], readsFrom: 'mirrors' }] as const) {
      const client = make({ ...options, mirrorWait: 30 })
      for (let i = 0; i < 3; i++) {
        const name = `${options.mirrors ? 'm' : 'p'}${i} of ${folder}`
        const query = 'SELECT name, size FROM files WHERE name = ?'
        const { cp } = await client.put(`${folder}/${name}`, 'x')
        const asked = await client.sql.ask(query, { params: [name], minCp: 1 })
        equal([asked.rows, asked.cp >= cp], [[[name, 1]], true])
        await client.deleteFile(`${folder}/${name}`)
        equal((await client.sql.askText('csv', query, { params: [name] })).text.trim(), 'name,size')
      }
    }
  },

  async 'reads go to a mirror when the primary is away'({ client: make, folder, mirror, nobody }) {
    const { cp } = await make().put(`${folder}/a b`, 'x', { durability: 'mirrored', wait: 30 })
    const client = new Client(nobody, { mirrors: [nobody, mirror], cp, mirrorWait: 30 })
    equal(await text(client, `${folder}/a b`), 'x')
    equal((await client.stat(`${folder}/a b`)).size, 1)
    for await (const { name } of client.list(folder)) equal(name, 'a b')
    equal(await codeOf(client.put(`${folder}/b`, 'x')), 'unreachable')
    equal(await codeOf(client.get(`${folder}/none`)), 'not-found')
    const back = make({ mirrors: [nobody], readsFrom: 'mirrors' })
    equal(await text(back, `${folder}/a b`), 'x')
  },

  async 'a signal ends every call'({ client: make, folder, nobody, control }) {
    const client = make()
    const reason = new Error('enough')
    const path = `${folder}/a`
    await client.put(path, bytesAt(0, 2 ** 22))
    const ended = AbortSignal.abort(reason)
    for (const call of [
      () => client.stat(path, { signal: ended }),
      () => client.get(path, { signal: ended }),
      () => client.put(path, 'x', { signal: ended }),
      () => client.upload(path, 'x', { signal: ended }),
      () => client.list(folder, { signal: ended }).next(),
      () => client.move(path, `${path}2`, { signal: ended }),
      () => client.batch([{ op: 'delete', path }], { signal: ended }),
      () => client.administration.takeCp({ signal: ended }),
    ])
      isTrue((await thrownBy(call())) === reason, 'another reason')
    const during = async (
      work: (signal: AbortSignal, abort: () => void) => Promise<unknown>,
    ): Promise<void> => {
      const aborting = new AbortController()
      const thrown = await thrownBy(work(aborting.signal, () => aborting.abort(reason)))
      isTrue(thrown === reason, `another reason: ${String(thrown)}`)
    }
    // While an answer is waited for: nobody publishes so many consistency points.
    await during((signal, abort) => {
      const work = client.stat(path, { minCp: client.cp + 1000, wait: 60, signal })
      abort()
      return work
    })
    await during(async (signal, abort) => {
      const file = await client.get(path, { signal })
      for await (const _ of file) abort()
    })
    await during((signal, abort) =>
      client.upload(`${folder}/b`, contentStream(2 ** 30, { onMade: (at) => at > 2 ** 20 && abort() }), {
        partBytes: 2 ** 18,
        signal,
      }),
    )
    // While it waits before it asks again.
    await during((signal, abort) => {
      const work = new Client(nobody, { random: () => 0, retriesMax: 1000 }).stat('', { signal })
      setTimeout(abort, 100)
      return work
    })
    await during((signal, abort) => {
      const work = new Client(`${control}/silent`).stat('', { signal })
      setTimeout(abort, 10)
      return work
    })
    equal(
      (await client.page(folder)).entries.map(({ name }) => name),
      ['a'],
    )
  },
}

async function* iterated(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    yield value
  }
}
