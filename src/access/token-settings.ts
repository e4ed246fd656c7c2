/**
 * Tokens as settings of the volume: an operation changes them, so a change is logged, happens as a whole, and reaches
 * every mirror with its consistency point.
 *
 * - A token that cannot be decoded, because a later program wrote it, opens nothing, and is not changed.
 * - The first token of an open server is an administrator's: with any other one nobody could make the second.
 */
import {
  accessMarkBytes,
  accessMarkName,
  decodeTokenSetting,
  encodeAccessMark,
  encodeTokenSetting,
  isTokenId,
  tokenIdOf,
  tokenSettingName,
  tokenSettingPrefix,
  type TokenSetting,
} from '../format/items/token-setting.ts'
import type { FileSystem, ReadView, Setting, SettingsEdit } from '../fs/contract.ts'
import { toHex } from '../lib/bytes.ts'
import { StillpointError } from '../lib/errors.ts'
import { logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Applied } from '../cp-engine/contract.ts'
import type { IssuedToken, KnownTokens } from './known-tokens.ts'
import { makeToken, parseToken } from './token.ts'

const log = logger('access')

/** Limit for the tokens of a volume. */
const tokensMax = 1000

type TokenWish = Pick<TokenSetting, 'name' | 'role' | 'prefix' | 'expiresMs'>

interface Made {
  readonly applied: Applied<unknown>
  readonly token: string
  readonly record: IssuedToken & { readonly lastUsedMs: null }
}

/** Makes and revokes the tokens of a primary, and keeps `known` up to date with what was applied. */
export class TokenDesk {
  /** Sequence number of the change that `known` shows. */
  private shown = -1

  constructor(
    private readonly files: Pick<FileSystem, 'changeSettings'>,
    private readonly known: KnownTokens,
    private readonly random: Random,
  ) {}

  /** Throws `bad-json` for an expiry that has passed. */
  async create(wish: TokenWish): Promise<Made> {
    const { nowMs } = this.known
    if (wish.expiresMs !== null && wish.expiresMs <= nowMs)
      throw new StillpointError('bad-json', 'expiresAt: lies in the past')
    const { id, token } = makeToken(this.random)
    const setting: TokenSetting = { ...wish, sum: parseToken(token)!.sum, createdMs: nowMs }
    const applied = await this.change((settings) => {
      if (listTokens(settings).length >= tokensMax)
        throw new StillpointError('too-large', `a volume has at most ${tokensMax} tokens: revoke one`, {
          tokensMax,
        })
      if (this.known.isOpen && wish.role !== 'admin')
        throw new StillpointError(
          'forbidden',
          'the first token has the role admin: from then on nobody gets in without a token',
        )
      settings.put(tokenSettingName(id), encodeTokenSetting(setting))
      return true
    })
    return { applied, token, record: { ...setting, id, lastUsedMs: null } }
  }

  /** Null when there is no token of this id. */
  async revoke(id: string): Promise<Applied<unknown> | null> {
    const applied = await this.change((settings) => {
      const name = tokenSettingName(id)
      if (!isTokenId(id) || settings.get(name) === null) return false
      settings.delete(name)
      return true
    })
    return applied.result ? applied : null
  }

  private async change(change: (settings: SettingsEdit) => boolean): Promise<Applied<boolean>> {
    const mark = this.random.bytes(accessMarkBytes)
    const applied = await this.files.changeSettings((settings) => {
      const isChanged = change(settings)
      if (isChanged) settings.put(accessMarkName, encodeAccessMark(mark))
      return { isChanged, tokens: decodeAll(listTokens(settings)) }
    })
    const { isChanged, tokens } = applied.result
    // Changes are applied in the order of their numbers, and answered in any order.
    if (isChanged && applied.sequence > this.shown) {
      this.shown = applied.sequence
      this.known.replace(tokens, true)
    }
    return { ...applied, result: isChanged }
  }
}

const listTokens = (settings: Pick<SettingsEdit, 'list'>): readonly Setting[] =>
  settings.list({ prefix: tokenSettingPrefix, after: null, limit: tokensMax })

/** Tokens of an image with the mark of their last change; null for the mark of a volume that never had a token. */
interface TokensOfImage {
  readonly mark: string | null
  /** Null when the mark is the one that the caller knows. */
  readonly tokens: readonly IssuedToken[] | null
}

/** `knownMark` is the mark of the tokens that the caller has; undefined when the caller has none. */
export async function readTokens(
  view: Pick<ReadView, 'setting' | 'settings'>,
  knownMark: string | null | undefined,
): Promise<TokensOfImage> {
  const found = await view.setting(accessMarkName)
  const mark = found && toHex(found)
  if (mark === knownMark) return { mark, tokens: null }
  const settings = await view.settings({ prefix: tokenSettingPrefix, after: null, limit: tokensMax })
  return { mark, tokens: decodeAll(settings) }
}

function decodeAll(settings: readonly Setting[]): IssuedToken[] {
  const tokens: IssuedToken[] = []
  for (const { name, value } of settings) {
    const id = tokenIdOf(name)
    try {
      if (id !== null && isTokenId(id)) tokens.push({ id, ...decodeTokenSetting(value) })
    } catch (error) {
      if (!(error instanceof StillpointError)) throw error
      log.error('a token cannot be read, and opens nothing', { name, reason: error.message })
    }
  }
  return tokens
}
