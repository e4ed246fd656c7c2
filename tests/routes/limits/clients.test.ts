import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { clientOfAddress } from '../../../src/routes/limits/clients.ts'

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['2001:0DB8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['', ''],
])('%s is %s', (address, client) => expect(clientOfAddress(address)).toBe(client))

test('addresses of one network are one client, of another network another, however they are written', () => {
  const group = fc.integer({ min: 0, max: 0xffff })
  fc.assert(
    fc.property(
      fc.array(group, { minLength: 8, maxLength: 8 }),
      fc.array(group, { minLength: 4, maxLength: 4 }),
      (address, end) => {
        const text = (groups: readonly number[]) => groups.map((each) => each.toString(16)).join(':')
        const other = [...address.slice(0, 4), ...end]
        fc.pre(![address, other].some((each) => text(each).startsWith('0:0:0:0:0:ffff:')))
        const client = clientOfAddress(text(address))
        expect(clientOfAddress(text(other))).toBe(client)
        const short = URL.parse(`http://[${text(address)}]/`)!.hostname.slice(1, -1)
        expect(clientOfAddress(short)).toBe(client)
        const elsewhere = address.with(3, address[3]! ^ 1)
        expect(clientOfAddress(text(elsewhere))).not.toBe(client)
      },
    ),
  )
})
