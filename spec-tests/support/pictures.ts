/** Pictures, made of nothing: PNG is simple enough to be written by hand. */
import { crc32, deflateSync } from 'node:zlib'

/** A colour for each point: red, green, blue, from 0 to 255. */
type Paint = (x: number, y: number) => readonly [number, number, number]

const gradient: Paint = (x, y) => [x % 256, y % 256, 128]

/** A PNG. */
export function picture(width: number, height: number, paint: Paint = gradient): Buffer {
  const rows = Array.from({ length: height }, (_, y) =>
    Buffer.from([0, ...Array.from({ length: width }, (_, x) => paint(x, y)).flat()]),
  )
  return pngOf(width, height, deflateSync(Buffer.concat(rows)))
}

/** A few bytes that say they are an enormous picture. */
export function bomb(width: number, height: number): Buffer {
  return pngOf(width, height, deflateSync(Buffer.alloc(1000)))
}

function pngOf(width: number, height: number, pixels: Buffer): Buffer {
  const size = Buffer.alloc(8)
  size.writeUInt32BE(width, 0)
  size.writeUInt32BE(height, 4)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    // Eight bits a channel; red, green and blue.
    chunk('IHDR', Buffer.concat([size, Buffer.of(8, 2, 0, 0, 0)])),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(named) >>> 0)
  return Buffer.concat([length, named, sum])
}

/** Width and height of a PNG. */
export function sizeOfPng(png: Uint8Array): { width: number; height: number } {
  const bytes = Buffer.from(png)
  if (bytes.toString('latin1', 1, 4) !== 'PNG') throw new Error('that is no PNG')
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}
