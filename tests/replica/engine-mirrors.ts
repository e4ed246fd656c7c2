/** The mirrors of an engine with the limits of a line that is simulated: what takes seconds takes milliseconds. */
import { formatUuid } from '../../src/lib/random.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { EngineVolume } from '../../src/cp-engine/primary-volume.ts'
import { Mirrors } from '../../src/replica/primary/mirrors.ts'

const limits = {
  heartbeatMs: 50,
  silenceMsMax: 500,
  offerAgainMs: 100,
  backoffMsMin: 5,
  backoffMsMax: 100,
  troubleMs: 200,
}

type Options = ConstructorParameters<typeof Mirrors>[0]

export function engineMirrors(
  engine: CpEngine,
  options: Omit<Options, 'source' | 'primary' | 'identity' | 'limits'>,
): Mirrors {
  const { superblock, geometry } = engine.volume
  return new Mirrors({
    ...options,
    source: engine,
    primary: new EngineVolume(engine),
    identity: {
      side: formatUuid(superblock.sideUuid),
      geometry,
      epoch: () => engine.volume.superblock.epoch,
    },
    limits,
  })
}
