/** The program under a wall clock that is wrong: the volume is served, and served again when the clock is right. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { checkVolume } from '../../tools/live/command.ts'
import { live, put, testMsMax } from './live.ts'

const { server, folder } = live()
const isMissing = Bun.which('faketime') === null

test.skipIf(isMissing)(
  `a wall clock before 1970, and in another century${isMissing ? ' (faketime is not installed)' : ''}`,
  async () => {
    const data = join(folder(), 'volume')
    for (const time of ['1960-01-01 00:00:00', '2200-01-01 00:00:00', null]) {
      const wrapper = time === null ? [] : ['faketime', '--exclude-monotonic', time]
      const primary = await server({ verb: 'serve', data, wrapper }).start()
      await put(primary.url, `f${time?.slice(0, 4)}`, 'x', '?durability=committed')
      await put(primary.url, `g${time?.slice(0, 4)}`, 'x')
      expect((await fetch(`${primary.url}/v1/stat/f1960?at=1970-01-01T00:00:00Z`)).status).toBeOneOf([
        200, 410,
      ])
      if (time === null) expect(await primary.stop()).toBe(0)
      else await primary.kill()
    }
    await checkVolume(data)
  },
  testMsMax,
)
