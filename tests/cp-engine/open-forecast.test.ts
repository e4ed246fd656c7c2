/** What an open would say, without opening: also of a device that cannot be read, and of a fault of the program. */
import { describe, expect, test } from 'bun:test'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { createMirror } from '../../src/cp-engine/create-volume.ts'
import { forecastOpen } from '../../src/cp-engine/open-forecast.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { stillClock } from '../simulated/clock.ts'
import { newPrimary, smallGeometry } from './workload.ts'

/** Fails each read with the error, when there is one. */
class FailingDevice extends MemoryDevice {
  error: Error | null = null
  override readNow(address: number, target: Uint8Array): boolean {
    if (this.error) throw this.error
    return super.readNow(address, target)
  }
  override read(address: number, target: Uint8Array): Promise<void> {
    return this.error ? Promise.reject(this.error) : super.read(address, target)
  }
}

async function deviceOf(role: 'primary' | 'mirror'): Promise<FailingDevice> {
  const device = new FailingDevice()
  if (role === 'primary') await newPrimary(device, 1, 32)
  else await createMirror(device, { clock: stillClock, random: seededRandom(5), geometry: smallGeometry() })
  return device
}

describe.each(['primary', 'mirror'] as const)('a %s', (role) => {
  test('that is sound opens', async () => {
    const { open, error, after } = await forecastOpen(await deviceOf(role), role)
    expect(error).toBeNull()
    expect(open).toMatchObject({ outcome: 'opens', replayed: 0, fenced: null })
    expect(after).not.toBeNull()
  })

  test.each([
    ['a device that cannot be read', new DeviceError('it is broken'), 'device', 'it is broken'],
    ['a fault of the program', new RangeError('out of range'), 'internal', 'out of range'],
  ])('with %s is refused with the code of that', async (_name, error, code, message) => {
    const device = await deviceOf(role)
    device.error = error
    const forecast = await forecastOpen(device, role)
    expect(forecast.open).toEqual({ outcome: 'refused', code, message, waysOut: [] })
    expect([forecast.error, forecast.after]).toEqual([error, null])
  })

  test('with a superblock that is none is refused with the code of that', async () => {
    const device = new FailingDevice(4096)
    const { open, log, after } = await forecastOpen(device, role)
    expect(open).toMatchObject({ outcome: 'refused' })
    expect(open.outcome === 'refused' && !['device', 'internal', ''].includes(open.code)).toBe(true)
    expect([log, after]).toEqual([null, null])
  })
})
