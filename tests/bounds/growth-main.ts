/** Runs the scenes, and prints which collections have grown and which have had an entry. See `growth.test.ts`. */
import { aliveNow, usedNames } from './alive.ts'
import { atTheDoor, betweenTwo } from './growth-scenes.ts'

export interface Growth {
  /** By scene: name of a collection, how many there were, and how many there are. */
  readonly grown: Readonly<Record<string, readonly (readonly [name: string, was: number, is: number])[]>>
  readonly used: readonly string[]
}

/** In these everything is made that is made once, and what has a small bound reaches it. */
const firstRounds = 24
const rounds = 30
/** Those of one round may be there at one look and not at another one; what grows in each round is more, in both halves. */
const slack = rounds / 4

const grown: Record<string, (readonly [string, number, number])[]> = {}
for (const [scene, make] of Object.entries({ 'at the door': atTheDoor, 'between two': betweenTwo })) {
  const { round, end } = await make()
  for (let i = 0; i < firstRounds; i++) await round(i)
  const before = await aliveNow()
  for (let i = 0; i < rounds / 2; i++) await round(firstRounds + i)
  const between = await aliveNow()
  for (let i = rounds / 2; i < rounds; i++) await round(firstRounds + i)
  grown[scene] = [...(await aliveNow())].flatMap(([name, is]) => {
    const was = before.get(name) ?? 0
    const half = between.get(name) ?? 0
    return half > was + slack && is > half + slack ? [[name, was, is] as const] : []
  })
  await end()
}
const growth: Growth = { grown, used: usedNames() }
console.log(JSON.stringify(growth))
process.exit(0)
