/** A process that locks the volume of its first argument and waits; the second one chooses the way without flock. */
import { lockVolume } from '../../src/blockdev/volume-lock.ts'

const [folder, method] = process.argv.slice(2)
lockVolume(folder!, method === 'file' ? { tryLock: () => 'unsupported' } : {})
console.log('locked')
process.stdin.resume()
