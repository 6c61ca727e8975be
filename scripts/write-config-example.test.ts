import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { configSchema, parseConfig } from '../server/config.ts'
import { configExample } from './write-config-example.ts'

/** Set every option that has a default. In prose, one space stands behind the #. */
const uncommented = (yaml: string) =>
  yaml.replace(/^#(( {2})?\w+: \S|(delayed_events|rate_limits):)/gm, '$1')

describe('config.example.yaml', () => {
  test('is what server/config.ts says', () => {
    expect(readFileSync('config.example.yaml', 'utf8')).toBe(configExample())
  })

  test('as it is, sets nothing', () => {
    expect(parseConfig(parse(configExample()), 'example')).toEqual(parseConfig({}, ''))
  })

  test('uncommented, sets everything to its default', () => {
    const options = parse(uncommented(configExample()))
    expect(options).toEqual(parseConfig({}, ''))
    expect(parseConfig(options, 'example')).toEqual(parseConfig({}, ''))
  })

  test('names every option', () => {
    const { delayed_events, rate_limits, ...others } = configSchema.shape
    for (const name of Object.keys(others)) {
      expect(configExample()).toMatch(new RegExp(`^#${name}:`, 'm'))
    }
    for (const section of [delayed_events, rate_limits]) {
      for (const name of Object.keys(section.unwrap().shape)) {
        expect(configExample()).toMatch(new RegExp(`^# {2}${name}:`, 'm'))
      }
    }
  })
})
