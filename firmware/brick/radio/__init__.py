"""The link over Bluetooth low energy: a GATT service on MicroPython's `bluetooth`, docs/formats/ble.md.

radio.py is a line as serial's is: frames above it are the same. advert.py is what the brick says of itself to
everybody. Loaded only on a brick whose board has a radio; security is the link's own, pairing is not needed.
"""
