/** A primary is not its own mirror, in whatever spelling; another port or another machine is. */
import { describe, expect, test } from 'bun:test'
import { type HostNames, isOwnAddress } from '../../src/server/own-address.ts'

const known: Readonly<Record<string, readonly string[]>> = {
  'server.example': ['10.0.0.5', '2001:db8::5'],
  'other.example': ['10.0.0.6'],
  'rebound.example': ['127.0.0.1'],
  'both.example': ['10.0.0.6', '::1'],
  'mapped.example': ['::ffff:10.0.0.5'],
}
const names: HostNames = {
  resolve: async (host) => known[host.toLowerCase()] ?? [],
  own: () => ['127.0.0.1', '::1', '10.0.0.5', '2001:db8::5', 'fe80::1%eth0'],
}
const isOwn = (url: string, hostname: string, port = 7070) => isOwnAddress(url, { hostname, port }, names)

const loopback = [
  '127.0.0.1',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
  '127.0.0.1.',
  '127.1',
  '127.9.9.9',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '017700000001',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '0.0.0.0',
  '0',
  '[::]',
  'rebound.example',
  'rebound.example.',
  'both.example',
]
const outside = [
  '10.0.0.5',
  'server.example',
  'SERVER.example.',
  'mapped.example',
  '[::ffff:10.0.0.5]',
  '0xa000005',
  '[2001:db8::5]',
]
const others = ['10.0.0.6', 'other.example', 'nowhere.example', '[2001:db8::6]', '126.0.0.1']

describe('a server on', () => {
  for (const [hostname, own, foreign] of [
    ['127.0.0.1', loopback, [...others, ...outside]],
    ['::1', loopback, [...others, ...outside]],
    ['localhost', loopback, [...others, ...outside]],
    ['0.0.0.0', [...loopback, ...outside, '[fe80::1]'], others],
    ['::', [...loopback, ...outside], others],
    ['10.0.0.5', outside.filter((host) => host !== '[2001:db8::5]'), others],
    ['server.example', outside, others],
  ] as const)
    test(hostname, async () => {
      for (const host of own)
        for (const scheme of ['http', 'https'])
          expect([host, await isOwn(`${scheme}://${host}:7070`, hostname)]).toEqual([host, true])
      for (const host of foreign)
        expect([host, await isOwn(`http://${host}:7070`, hostname)]).toEqual([host, false])
      for (const host of own)
        expect([host, await isOwn(`http://${host}:7071`, hostname)]).toEqual([host, false])
    })

  test('the port of the scheme', async () => {
    expect(await isOwn('http://127.0.0.1', '127.0.0.1', 80)).toBe(true)
    expect(await isOwn('https://127.0.0.1', '127.0.0.1', 443)).toBe(true)
    expect(await isOwn('https://127.0.0.1', '127.0.0.1', 80)).toBe(false)
  })
})
