/** The form of a token, and the tokens that a door knows. */
import { describe, expect, test } from 'bun:test'
import { makeToken, parseToken, tokenOf } from '../../src/access/token.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { basic, bearer, issue, knownTokens } from './issued.ts'

const headers = (record: Record<string, string>): Headers => new Headers(record)

describe('a token', () => {
  const { id, token } = makeToken(seededRandom(1))
  test('has an id and 32 bytes', () => {
    expect(token).toMatch(/^sp_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/)
    expect(parseToken(token)).toEqual({
      id,
      sum: new Uint8Array(new Bun.CryptoHasher('sha256').update(token).digest()),
    })
  })
  test('has one form', () => {
    const secret = token.slice(-43)
    for (const wrong of [
      '',
      'sp_',
      ` ${token}`,
      `${token} `,
      `${token}=`,
      `${token}\n`,
      token.slice(0, -1),
      `SP${token.slice(2)}`,
      `sp__${secret}`,
      `sp_${'a'.repeat(33)}_${secret}`,
      `sp_A_${secret}`,
      `sp_a_${secret.slice(0, -1)}+`,
      // The last character has two bits that say nothing: only zeros are taken.
      ...['B', 'C', 'D'].map((last) => `sp_a_${'A'.repeat(42)}${last}`),
    ])
      expect(parseToken(wrong)).toBeNull()
    expect(parseToken(`sp_a_${'A'.repeat(43)}`)?.id).toBe('a')
  })
  test('comes as Bearer and as a password', () => {
    const wanted = parseToken(token)
    expect(tokenOf(`Bearer ${token}`)).toEqual(wanted)
    expect(tokenOf(`bearer  ${token}`)).toEqual(wanted)
    expect(tokenOf(basic(token)['Authorization']!)).toEqual(wanted)
    expect(tokenOf(basic(token, '')['Authorization']!)).toEqual(wanted)
    for (const wrong of [
      token,
      'Bearer',
      `Bearer x${token}`,
      `Digest ${token}`,
      `Basic ${btoa(token)}`,
      `Basic ${btoa(`${token}:`)}`,
      `Basic ${btoa(`a:b:${token}`)}`,
      `Bearer ${' '.repeat(1024)}${token}`,
    ])
      expect(tokenOf(wrong)).toBeNull()
  })
})

describe('a door', () => {
  test('is open on loopback until it knows a token, has a file, or was told who may read', () => {
    const { text, token } = issue('reader')
    const door = knownTokens()
    expect(door.who(headers({})).role).toBe('admin')
    door.replace([token], true)
    expect([door.who(headers({})).role, door.who(headers(bearer(text))).role]).toEqual([null, 'reader'])
    // The last token has gone: whoever had it is not let in as everybody.
    door.replace([], true)
    expect(door.who(headers(bearer(text))).role).toBeNull()
    expect(knownTokens({ mayBeOpen: false }).who(headers({})).role).toBeNull()
    expect(knownTokens({ adminToken: parseToken(text) }).who(headers({})).role).toBeNull()
    expect(knownTokens({ anonymousReads: true }).who(headers({})).role).toBe('reader')
    expect(knownTokens({ anonymousReads: true }).who(headers(bearer(text))).role).toBeNull()
  })
  test('can be used by somebody, or is shut', () => {
    const { text, token } = issue('reader')
    const beyond = { mayBeOpen: false }
    const shut = knownTokens(beyond)
    expect(shut.isUsable).toBe(false)
    shut.replace([token], true)
    expect(shut.isUsable).toBe(true)
    expect(knownTokens({ ...beyond, adminToken: parseToken(text) }).isUsable).toBe(true)
    expect(knownTokens({ ...beyond, anonymousReads: true }).isUsable).toBe(true)
    expect(knownTokens().isUsable).toBe(true)
  })
  test('knows the token of the file, and believes no other one of its id', () => {
    const { text, token } = issue('reader')
    const door = knownTokens({ adminToken: parseToken(text) })
    const other = issue('writer')
    door.replace([{ ...other.token, id: token.id }], true)
    expect(door.who(headers(bearer(text)))).toMatchObject({ role: 'admin', prefix: [] })
    expect(door.who(headers(bearer(other.text))).role).toBeNull()
  })
  test('compares all of the secret', () => {
    const { text, token } = issue('admin')
    const door = knownTokens()
    door.replace([token], true)
    const secret = text.slice(-43)
    for (let at = 0; at < 42; at++) {
      const other = secret[at] === 'A' ? 'B' : 'A'
      const wrong = `${text.slice(0, -43)}${secret.slice(0, at)}${other}${secret.slice(at + 1)}`
      expect(parseToken(wrong)?.id).toBe(token.id)
      expect(door.who(headers(bearer(wrong))).role).toBeNull()
    }
  })
  test('forgets what it has verified when the tokens change', () => {
    const { text, token } = issue('reader')
    const door = knownTokens()
    door.replace([token], true)
    expect(door.who(headers(bearer(text))).role).toBe('reader')
    const { generation } = door
    door.replace([{ ...token, role: 'writer', prefix: 'a/b' }], true)
    expect(door.generation).not.toBe(generation)
    expect(door.who(headers(bearer(text)))).toMatchObject({ role: 'writer', prefix: ['a', 'b'] })
    door.replace([], true)
    expect(door.who(headers(bearer(text))).role).toBeNull()
  })
  test('lets nobody in from the moment of the expiry, also one that it has verified', () => {
    let nowMs = 999
    const { text, token } = issue('reader', '', 1000)
    const door = knownTokens({ nowMs: () => nowMs })
    door.replace([token], true)
    expect(door.who(headers(bearer(text))).role).toBe('reader')
    nowMs = 1000
    expect(door.who(headers(bearer(text))).role).toBeNull()
  })
  test('says the day of the last use', () => {
    let nowMs = Date.UTC(2026, 4, 5, 23, 59)
    const { text, token } = issue('reader')
    const door = knownTokens({ nowMs: () => nowMs })
    door.replace([token], true)
    const used = () => door.tokens().map(({ lastUsedMs }) => lastUsedMs)
    expect(used()).toEqual([null])
    door.who(headers(bearer(text)))
    nowMs += 120_000
    expect(used()).toEqual([Date.UTC(2026, 4, 5)])
    door.who(headers(bearer(text)))
    expect(used()).toEqual([Date.UTC(2026, 4, 6)])
  })
  test('remembers a bounded number of headers, and every token still opens', () => {
    const { text, token } = issue('reader')
    const door = knownTokens()
    door.replace([token], true)
    for (let i = 0; i < 3000; i++) expect(door.who(headers(basic(text, `user ${i}`))).role).toBe('reader')
    expect(door.rememberedHeaders).toBe(1024)
    expect(door.who(headers(basic(text, 'user 0'))).role).toBe('reader')
    for (let i = 0; i < 10; i++) door.who(headers(bearer(`${text}${i}`)))
    expect(door.rememberedHeaders).toBe(1024)
  })
})
