/** The permit of one request, while the tokens change. */
import { expect, test } from 'bun:test'
import type { Who } from '../../../src/access/decide.ts'
import { Permit } from '../../../src/routes/http/permit.ts'

const writer = (prefix: readonly string[]): Who => ({
  token: { id: 'a', name: 'a', createdMs: 0, expiresMs: null },
  role: 'writer',
  prefix,
})

function permitOf(address: string | undefined) {
  const door = { generation: 1, nowMs: 0, newest: writer([]), who: () => door.newest }
  const heard: number[] = []
  const asked = {
    headers: new Headers(),
    action: 'write' as const,
    address,
    refused: (_: Who, decision: number) => void heard.push(decision),
  }
  const permit = new Permit(door.newest, asked, door, door.generation)
  const narrow = (prefix: string) => {
    door.newest = writer([prefix])
    door.generation++
  }
  return { permit, narrow, heard }
}

test('paths that a body has named are decided again', async () => {
  const { permit, narrow, heard } = permitOf(undefined)
  permit.path('a/file')
  let done = 0
  const work = () => Promise.resolve(done++)
  narrow('a')
  await permit.change(work)
  narrow('b')
  for (let i = 0; i < 2; i++) await expect(permit.change(work)).rejects.toMatchObject({ code: 'forbidden' })
  expect([done, heard]).toEqual([1, [403]])
})

test('the path of the address is decided again', async () => {
  const { permit, narrow } = permitOf('a/file')
  narrow('a')
  await permit.renew()
  narrow('b')
  await expect(permit.renew()).rejects.toMatchObject({ code: 'forbidden' })
})
