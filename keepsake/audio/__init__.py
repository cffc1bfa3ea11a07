"""Audio work on FFmpeg's libraries (PyAV): from any recording to chunks, clips and episodes.

    media.py      open and decode whatever FFmpeg reads, as a stream, on the recording's own clock
    recording.py  a recording in chunks for transcription, and what decoding found
    loudness.py   integrated loudness and true peak (EBU R128)
    encode.py     mp3 and FLAC out, written whole or not at all
    clip.py       a few seconds of the original, as mp3
    episode.py    parts joined into a podcast episode; id3.py tags it
    captions.py   WebVTT and chapters as text; needs no FFmpeg

Every function is synchronous, touches nothing but its files and may run in any thread: callers use
`asyncio.to_thread`. Memory stays flat whatever the length. Models, storage and records do not
belong here. Importing any module but `captions` loads FFmpeg (0.1 s), this package alone does not.
"""
