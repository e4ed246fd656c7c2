/** Space that is reserved: a full disk is told from a file system that cannot reserve. */
import { expect, test } from 'bun:test'
import { reservationOf } from '../../src/blockdev/reservation.ts'

/** Codes of Linux. */
test.each([
  ['no error', 0, 'reserved'],
  ['EFBIG', 27, 'full'],
  ['ENOSPC', 28, 'full'],
  ['EDQUOT', 122, 'full'],
  ['EPERM', 1, 'unsupported'],
  ['EINTR', 4, 'unsupported'],
  ['EIO', 5, 'unsupported'],
  ['EBADF', 9, 'unsupported'],
  ['EINVAL', 22, 'unsupported'],
  ['ESPIPE', 29, 'unsupported'],
  ['ENOSYS', 38, 'unsupported'],
  ['EOPNOTSUPP', 95, 'unsupported'],
  ['no such code', -1, 'unsupported'],
] as const)('%s (%p) is %s', (_name, result, reservation) => {
  expect(reservationOf(result)).toBe(reservation)
})
