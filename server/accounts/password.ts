/** Passwords are kept as scrypt hashes, each with its own salt and with the cost it was made at. */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

const keyBytes = 32

function derive(password: string, salt: Buffer, costLog2: number): Promise<Buffer> {
  // scrypt fills 1 KiB · N of memory and needs a little more to work with.
  const maxmem = 2 ** (costLog2 + 11) + 2 ** 20
  const options: ScryptOptions = { N: 2 ** costLog2, r: 8, p: 1, maxmem }
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, keyBytes, options, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}

/** @param costLog2 scrypt's N as a power of two @returns `scrypt$cost$salt$key` */
export async function hashPassword(password: string, costLog2: number): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, costLog2)
  return ['scrypt', costLog2, salt.toString('base64'), key.toString('base64')].join('$')
}

export async function isPassword(password: string, passwordHash: string): Promise<boolean> {
  const [, costLog2, salt = '', key = ''] = passwordHash.split('$')
  const expected = Buffer.from(key, 'base64')
  const actual = await derive(password, Buffer.from(salt, 'base64'), Number(costLog2))
  return timingSafeEqual(actual, expected)
}
