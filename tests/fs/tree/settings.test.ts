/** Settings are items of the tree: changed all or nothing, logged, and of the CP that a view is of. */
import { expect, test } from 'bun:test'
import { settingBytesMax } from '../../../src/format/items/setting-item.ts'
import { readPublished } from '../../../src/fs/read/read-view.ts'
import { settingKey, settingRange } from '../../../src/format/items/item-keys.ts'
import { compareBytes } from '../../../src/lib/bytes.ts'
import { VolumeFiles } from '../../../src/fs/file-system.ts'
import { Pair } from '../../replica/pair.ts'
import { RealVolume } from '../real-volume.ts'
import { FakeVolume, bytesOf, codeOf, p } from '../volume.ts'

const all = { prefix: '', after: null, limit: 100 }

test('are put, listed by prefix and page, and deleted, in one operation', async () => {
  const volume = new FakeVolume({ missPercent: 25 })
  const { files } = volume
  const names = ['a', 'token', 'token/', 'token/a', 'token/b', 'token/~', 'token0', '~~']
  await files.changeSettings((settings) => {
    for (const name of names.toReversed()) settings.put(name, bytesOf(name.length))
    settings.put('gone', bytesOf(1))
    settings.delete('gone')
    expect(settings.get('token/a')).toEqual(bytesOf(7))
    expect(settings.list(all).map(({ name }) => name)).toEqual(names)
  })
  await volume.with(async (view) => {
    const list = async (prefix: string, after: string | null = null, limit = 100) =>
      (await view.settings({ prefix, after, limit })).map(({ name }) => name)
    expect(await list('')).toEqual(names)
    expect(await list('token/')).toEqual(names.slice(2, 6))
    expect(await list('token/', 'token/')).toEqual(names.slice(3, 6))
    expect(await list('token/', 'token/a', 1)).toEqual(['token/b'])
    expect(await list('token/', 'token/a0', 1)).toEqual(['token/b'])
    expect(await list('~')).toEqual(['~~'])
    expect(await list('nothing')).toEqual([])
    expect(await view.settings({ ...all, limit: 1 })).toEqual([{ name: 'a', value: bytesOf(1) }])
    expect(await view.setting('token0')).toEqual(bytesOf(6))
    expect(await view.setting('gone')).toBeNull()
  })
  const before = volume.engine.items.length
  await files.changeSettings((settings) => {
    for (const { name } of settings.list({ ...all, prefix: 'token' })) settings.delete(name)
  })
  expect(volume.engine.items.length).toBe(before - 6)
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('a change that throws has changed nothing; names and values have limits', async () => {
  const volume = new FakeVolume()
  const put = (name: string, value: Uint8Array) =>
    codeOf(volume.files.changeSettings((settings) => settings.put(name, value)))
  const longest = 'x'.repeat(255)
  expect(await put(longest, bytesOf(settingBytesMax))).toBe('ok')
  expect(await put('empty', new Uint8Array(0))).toBe('ok')
  expect(await put('x', bytesOf(settingBytesMax + 1))).toBe('too-large')
  for (const name of ['', 'x'.repeat(256), 'a b', 'ä', 'a\n', '\u007f'])
    expect(await put(name, bytesOf(1))).toBe('bad-parameter')
  const failing = volume.files.changeSettings((settings) => {
    settings.put('half', bytesOf(1))
    settings.delete(longest)
    settings.put('a b', bytesOf(1))
  })
  expect(await codeOf(failing)).toBe('bad-parameter')
  await volume.with(async (view) => {
    expect(await view.setting(longest)).toEqual(bytesOf(settingBytesMax))
    expect((await view.settings(all)).map(({ name }) => name)).toEqual(['empty', longest])
  })
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('on the engine: a past CP has those of then, and replay has what was acknowledged', async () => {
  const volume = await RealVolume.create({ seed: 8 })
  const set = async (value: number) => {
    const applied = await volume.files.changeSettings((settings) => {
      for (const name of ['a', 'b']) settings.put(name, Uint8Array.of(value))
      if (value % 2 === 0) settings.put('even', Uint8Array.of(value))
      else settings.delete('even')
    })
    expect(await volume.files.reach(applied, 'logged')).toBe('logged')
  }
  const seen = async (view: ReturnType<typeof volume.files.view>) => {
    const settings = await view.settings(all)
    view.release()
    return Object.fromEntries(settings.map(({ name, value }) => [name, value[0]]))
  }
  const expected = (value: number) => ({ a: value, b: value, ...(value % 2 === 0 ? { even: value } : {}) })
  await set(1)
  const past = await volume.engine.requestCp('requested')
  const pin = volume.engine.pin(past)
  await set(2)
  expect(await seen(volume.files.view())).toEqual(expected(2))
  expect(await seen(readPublished(volume.engine, past))).toEqual(expected(1))
  pin.release()
  // Some of them are crashes.
  for (let value = 3; value < 12; value++) {
    await set(value)
    await volume.reopen()
    expect(await seen(volume.files.view())).toEqual(expected(value))
    await volume.files.putFile(p('f'), bytesOf(value), {})
  }
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('a mirror has those of the CP that it shows', async () => {
  const pair = await Pair.create({ seed: 4 })
  const files = new VolumeFiles(pair.engine, pair.clock)
  await pair.join()
  const { mirrorVolume } = pair
  const onMirror = async () => {
    const view = readPublished(mirrorVolume, mirrorVolume.current())
    const settings = await view.settings(all)
    expect(await view.setting('s')).toEqual(settings.find(({ name }) => name === 's')?.value ?? null)
    view.release()
    return settings.map(({ name, value }) => [name, value[0]])
  }
  for (let round = 1; round < 4; round++) {
    await files.changeSettings((settings) => {
      settings.put('s', Uint8Array.of(round))
      settings.put(`round/${round}`, Uint8Array.of(0))
      settings.delete(`round/${round - 1}`)
    })
    if (round > 1) expect((await onMirror()).at(-1)).toEqual(['s', round - 1])
    await pair.engine.requestCp('requested')
    expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
    expect(await onMirror()).toEqual([
      [`round/${round}`, 0],
      ['s', round],
    ])
  }
  expect(pair.failures).toEqual([])
  pair.mirrors.close()
})

test('the range of a prefix has exactly the names that begin with it', () => {
  const inside = (name: string, prefix: string) => {
    const { from, end } = settingRange(prefix)
    return compareBytes(settingKey(name), from) >= 0 && compareBytes(settingKey(name), end) < 0
  }
  for (const prefix of ['', 'a', 'a/', '~', 'a~'])
    for (const name of ['a', 'a/', 'a/b', 'a0', 'a~', 'a~~', 'b', '~', '~~', '!'])
      expect([name, prefix, inside(name, prefix)]).toEqual([name, prefix, name.startsWith(prefix)])
})
