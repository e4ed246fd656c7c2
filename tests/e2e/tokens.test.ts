/** Tokens outlive kill -9 on both sides, and so do revocations. */
import { expect, test } from 'bun:test'
import { bearer } from '../access/issued.ts'
import { live, testMsMax } from './live.ts'

const place = live()

test(
  'both sides die after a token was made and another one revoked; both know it afterwards',
  async () => {
    const pair = await place.pair()
    const ask = (method: string, path: string, token: string, body?: unknown) =>
      fetch(`${pair.primary.url}${path}`, {
        method,
        headers: { 'Content-Type': 'application/json', ...(token === '' ? {} : bearer(token)) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const make = async (role: string, by: string) => {
      const answer = await ask('POST', '/v1/tokens?durability=mirrored&wait=60', by, { name: 'a test', role })
      expect(answer.status).toBe(201)
      return (await answer.json()) as { id: string; token: string; durability: string }
    }
    const admin = (await make('admin', '')).token
    const kept = await make('reader', admin)
    const gone = await make('writer', admin)
    const revoked = await ask('DELETE', `/v1/tokens/${gone.id}?wait=60`, admin)
    expect(await revoked.json()).toMatchObject({ durability: 'mirrored', unconfirmed: [] })
    // Only the log has this one.
    const logged = (await (
      await ask('POST', '/v1/tokens?durability=logged', admin, { name: 'a test', role: 'monitor' })
    ).json()) as { token: string }

    await Promise.all([pair.primary.kill(), pair.mirror.kill()])
    await pair.mirror.start()
    const statusOn = async (url: string, token: string) =>
      (await fetch(`${url}/v1/whoami`, { headers: bearer(token) })).status
    for (const url of [pair.mirror.url, (await pair.primary.start()).url]) {
      expect(await statusOn(url, kept.token)).toBe(200)
      expect(await statusOn(url, admin)).toBe(200)
      expect(await statusOn(url, gone.token)).toBe(401)
      expect((await fetch(`${url}/v1/whoami`)).status).toBe(401)
    }
    expect(await statusOn(pair.primary.url, logged.token)).toBe(200)
  },
  testMsMax,
)
