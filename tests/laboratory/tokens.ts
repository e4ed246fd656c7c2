/** Tokens of the run: made, changed and revoked by chance; and what a side that has an image decides of each. */
import { decide, type Who } from '../../src/access/decide.ts'
import { KnownTokens } from '../../src/access/known-tokens.ts'
import { readTokens } from '../../src/access/token-settings.ts'
import type { TokenFeed } from '../../src/access/token-feed.ts'
import { parseToken } from '../../src/access/token.ts'
import {
  accessMarkName,
  decodeTokenSetting,
  encodeAccessMark,
  encodeTokenSetting,
  type TokenRole,
  tokenRoles,
  tokenSettingName,
} from '../../src/format/items/token-setting.ts'
import type { ReadView } from '../../src/fs/contract.ts'
import { bearer } from '../access/issued.ts'
import type { ModelTree } from '../fs/model-tree.ts'
import type { Chance } from './chance.ts'
import { must } from './violation.ts'

export interface TokenOperation {
  readonly op: 'token'
  readonly id: string
  /** Null revokes. */
  readonly role: TokenRole | null
  readonly prefix: string
  readonly mark: number
}

const ids = ['a', 'b', 'c'] as const
const textOf = (id: string): string => `sp_${id}_${'A'.repeat(43)}`
const prefixes = ['', 'a', 'a/b', 'ab']
const paths = [[], ['a'], ['a', 'b'], ['ab'], ['a', 'bc'], ['b']] as const

export const someToken = (chance: Chance): TokenOperation => ({
  op: 'token',
  id: chance.pick(ids),
  role: chance.below(3) === 0 ? null : chance.pick(tokenRoles),
  prefix: chance.pick(prefixes),
  mark: chance.below(2 ** 31),
})

/** The settings that the operation changes; null removes one. */
export function tokenChanges({ id, role, prefix, mark }: TokenOperation): [string, Uint8Array | null][] {
  const { sum } = parseToken(textOf(id))!
  const token = role && { sum, role, name: 'of the run', prefix, createdMs: mark, expiresMs: null }
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(0, mark)
  return [
    [tokenSettingName(id), token && encodeTokenSetting(token)],
    [accessMarkName, encodeAccessMark(bytes)],
  ]
}

export const newDoor = (): KnownTokens =>
  new KnownTokens({ adminToken: null, anonymousReads: false, mayBeOpen: false, nowMs: () => 0 })

/** Whoever shows a token of the run gets what the model says, and nobody else anything. */
function mustDecide(who: (headers: Headers) => Who, { settings }: ModelTree, where: string): void {
  must(who(new Headers()).role === null, () => `${where}: is open`)
  for (const id of ids) {
    const found = who(new Headers(bearer(textOf(id))))
    const bytes = settings.get(tokenSettingName(id))
    const token = bytes ? decodeTokenSetting(bytes) : null
    for (const path of paths) {
      const isInside =
        token !== null && `${path.join('/')}/`.startsWith(token.prefix === '' ? '' : `${token.prefix}/`)
      const mayRead = token !== null && token.role !== 'monitor' && isInside
      const wanted = mayRead ? 'allow' : token === null ? 401 : 403
      const decision = decide(found, 'read', [path])
      must(
        decision === wanted,
        () => `${where}: token ${id} at ${path.join('/')}: ${decision}, should be ${wanted}`,
      )
    }
  }
}

export async function compareDecisions(view: ReadView, tree: ModelTree, where: string): Promise<void> {
  const door = newDoor()
  const { mark, tokens } = await readTokens(view, undefined)
  door.replace(tokens ?? [], mark !== null)
  mustDecide((headers) => door.who(headers), tree, where)
}

/** The feed of a mirror knows the tokens of its newest image whenever it answers at once. `newest` is asked then. */
export async function mustFollow(feed: TokenFeed, newest: () => ModelTree, where: string): Promise<void> {
  for (;;) {
    const first = feed.who(new Headers())
    if (!(first instanceof Promise)) break
    await first
  }
  mustDecide((headers) => feed.who(headers) as Who, newest(), where)
}
