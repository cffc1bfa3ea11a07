"""The services whose media Cobalt knows, and which of them a bookmark is from."""

from urllib.parse import urlsplit

# What Cobalt serves, by the hosts of its links; the hosts below them count too.
SERVICES = {
    "bilibili.com": "bilibili", "b23.tv": "bilibili", "bilibili.tv": "bilibili",
    "bsky.app": "bluesky",
    "dailymotion.com": "dailymotion", "dai.ly": "dailymotion",
    "facebook.com": "facebook", "fb.watch": "facebook",
    "instagram.com": "instagram",
    "loom.com": "loom",
    "newgrounds.com": "newgrounds",
    "ok.ru": "ok",
    "pinterest.com": "pinterest", "pin.it": "pinterest",
    "reddit.com": "reddit", "redd.it": "reddit",
    "rutube.ru": "rutube",
    "snapchat.com": "snapchat",
    "soundcloud.com": "soundcloud",
    "streamable.com": "streamable",
    "tiktok.com": "tiktok",
    "tumblr.com": "tumblr",
    "twitch.tv": "twitch",
    "twitter.com": "twitter", "x.com": "twitter",
    "vimeo.com": "vimeo",
    "vk.com": "vk", "vk.ru": "vk", "vkvideo.ru": "vk",
    "xiaohongshu.com": "xiaohongshu", "xhslink.com": "xiaohongshu",
    "youtube.com": "youtube", "youtu.be": "youtube",
}  # fmt: skip
_NAMES = {name: name for name in SERVICES.values()} | {"x": "twitter"}


def service_of(url: str, platform: str | None) -> str | None:
    """The service that a link leads to, by its host or by what the sender calls it; or None."""
    try:
        labels = (urlsplit(url).hostname or "").split(".")
    except ValueError:
        labels = []
    hosts = (".".join(labels[at:]) for at in range(len(labels)))
    found = next((SERVICES[host] for host in hosts if host in SERVICES), None)
    return found or _NAMES.get((platform or "").strip().lower())


def platform_of(url: str, platform: str | None) -> str:
    """What metrics call it: a service, `other` for one that is not known, `web`, or `text`."""
    service = service_of(url, platform)
    if service is not None:
        return service
    if not url:
        return "text"
    return "other" if platform and platform.strip().lower() != "web" else "web"
