/** What `npm run mutate` is asked for. */
import { parseArgs } from 'node:util'
import { isRoomName, lowerFolders } from './rooms.ts'

export const usage = `usage: npm run mutate -- [--room ROOM…] [--changed REV] [--sample N [--seed S]] [--full] [--json FILE]
       npm run mutate -- --planted [NAME…]
       npm run mutate -- --faults FOLDER [--full] [--json FILE]

Edits the sources, one place at a time, and runs the tests that come by there. Shows every edit that none of them notices.

  --room ROOM      a room of tools/floors.ts, or a folder of rooms; may be given again
                   (${lowerFolders.join(', ')} when it is not)
  --changed REV    only lines that are not in the revision REV
  --sample N       N edits, drawn at random; --seed S draws others (1 when it is not given)
  --full           long tests at their full share, not at those of tools/mutate/shares.ts
  --json FILE      all results, for a program
  --planted NAME   the bugs of tests/mutants, or those of these names
  --faults FOLDER  faults that somebody planted who has not seen the tests, a JSON file each

Exit codes: 0 every edit was noticed or is without effect, 1 one was not, 2 the command was not understood.`

export type Wish =
  | { readonly kind: 'planted'; readonly names: readonly string[] }
  | {
      readonly kind: 'edits'
      readonly rooms: readonly string[]
      readonly changed: string | null
      readonly faults: string | null
      readonly sample: number | null
      readonly seed: number
      readonly full: boolean
      readonly json: string | null
    }

/** A sentence when it is not understood. */
export function wishOf(args: readonly string[]): Wish | string {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  let parsed
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        planted: flag,
        room: { type: 'string', multiple: true },
        changed: text,
        faults: text,
        sample: text,
        seed: text,
        full: flag,
        json: text,
      },
    })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const { values, positionals } = parsed
  if (values.planted) {
    if (Object.keys(values).length > 1) return '--planted goes with names only'
    return { kind: 'planted', names: positionals }
  }
  if (positionals.length > 0) return `not understood: ${positionals.join(' ')}`
  const {
    room = [...lowerFolders],
    changed = null,
    faults = null,
    sample,
    seed,
    full = false,
    json = null,
  } = values
  if (faults !== null && (values.room || changed !== null || sample !== undefined))
    return '--faults goes with --full and --json only'
  const unknown = room.filter((name) => !isRoomName(name))
  if (unknown.length > 0) return `no such room: ${unknown.join(', ')} (tools/floors.ts has them)`
  if (sample !== undefined && !/^[1-9]\d{0,6}$/.test(sample)) return '--sample takes a number of edits'
  if (seed !== undefined && (sample === undefined || !/^\d{1,15}$/.test(seed)))
    return '--seed takes a number, and goes with --sample'
  return {
    kind: 'edits',
    rooms: room,
    changed,
    faults,
    sample: sample === undefined ? null : Number(sample),
    seed: Number(seed ?? 1),
    full,
    json,
  }
}
