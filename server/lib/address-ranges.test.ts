import { addressRanges, isAddressRange } from './address-ranges.ts'

test.each(['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '0.0.0.0/0', '::/0', 'loopback'])(
  '%s is an address range',
  text => expect(isAddressRange(text)).toBe(true),
)

test.each([
  '',
  'localhost',
  '10.0.0',
  '10.0.0.0/33',
  '::1/129',
  '::1/',
  '10.0.0.0/8/8',
  'toString',
])('%j is none', text => expect(isAddressRange(text)).toBe(false))

test('addresses, networks and names count; an IPv4 address is one in IPv6 notation too', () => {
  const ranges = addressRanges(['loopback', '10.1.0.0/16', '2001:db8::/32', '192.0.2.7'])
  const inside = ['127.0.0.1', '127.9.9.9', '::1', '10.1.2.3', '2001:db8:1::2', '192.0.2.7']
  for (const address of [...inside, '::ffff:10.1.2.3']) expect(ranges.has(address)).toBe(true)
  const outside = ['10.2.0.1', '2001:db9::1', '192.0.2.8', '::2', '::ffff:10.2.0.1', '', 'x']
  for (const address of outside) expect(ranges.has(address)).toBe(false)
})

test('no ranges hold nobody', () => expect(addressRanges([]).has('127.0.0.1')).toBe(false))
