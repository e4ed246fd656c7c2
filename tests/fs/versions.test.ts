/** What was promised before a crash is never given to something else after it. */
import { expect, test } from 'bun:test'
import { VolumeFiles } from '../../src/fs/file-system.ts'
import { newPrimary, open } from '../cp-engine/workload.ts'
import { stillClock } from '../simulated/clock.ts'
import { crashImage, nothingSurvives } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { bytesOf, p } from './volume.ts'

test.each(['none', 'logged', 'committed'] as const)(
  'versions and cps of writes that a crash took are not given again; before them: %s',
  async (level) => {
    let device = new SimulatedDevice()
    await newPrimary(device, 1)
    const shown = new Set<string>()
    for (let life = 0; life < 6; life++) {
      const engine = await open(device, life)
      const files = new VolumeFiles(engine, stillClock)
      const put = async (name: string) => {
        const { stat, applied } = await files.putFile(p(name), bytesOf(100, shown.size), {}, {})
        expect(shown).not.toContain(stat.etag)
        shown.add(stat.etag)
        return applied
      }
      if (level !== 'none') await engine.reach(await put('kept'), level)
      const { cp } = await put('lost')
      expect(shown).not.toContain(`cp ${cp}`)
      shown.add(`cp ${cp}`)
      device = new SimulatedDevice({ image: crashImage(device.crashState(), nothingSurvives) })
    }
  },
)
