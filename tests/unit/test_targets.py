"""Which webhooks may be registered, and which addresses may be called."""

import pytest

from followups.domain import targets
from followups.domain.errors import Invalid


@pytest.mark.parametrize(
    "url",
    [
        "https://agent.example.com",
        "https://agent.example.com/run?key=a%20b&x=1",
        "https://agent.example.com.:8443/",
        "https://xn--bcher-kva.example/run",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:443/run",
        "https://agent.example.com/" + "a" * (targets.URL_LIMIT - 26),
    ],
)
def test_a_webhook_on_the_internet_is_taken(url: str) -> None:
    targets.check_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "write one like"),
        ("agent.example.com/run", "write one like"),
        ("http://agent.example.com/run", "write one like"),
        ("ftp://agent.example.com/run", "write one like"),
        ("file:///etc/passwd", "write one like"),
        ("https://", "write one like"),
        ("https:///run", "write one like"),
        ("https://agent.example.com:0/", "write one like"),
        ("https://agent.example.com:65536/", "write one like"),
        ("https://agent.example.com:x/", "write one like"),
        ("https://[::1/", "write one like"),
        ("https://[nothing]/", "write one like"),
        ("https://agent.example.com/#part", "no #"),
        ("https://agent.example.com/a b", "visible ASCII"),
        ("https://agent.example.com/\r\nHost: other", "visible ASCII"),
        ("https://agent.example.com/\x00", "visible ASCII"),
        ("https://bücher.example/", "visible ASCII"),
        ("https://agent.example.com/" + "a" * targets.URL_LIMIT, "at most 1000"),
        ("https://me:secret@agent.example.com/", "no user and no password"),
        ("https://me@agent.example.com/", "no user and no password"),
        ("https://@agent.example.com/", "no user and no password"),
        ("https://agent.example.com@10.0.0.1/", "no user and no password"),
        ("https://127.0.0.1/", "private, local or reserved"),
        ("https://169.254.169.254/latest/meta-data/", "private, local or reserved"),
        ("https://10.1.2.3:8443/", "private, local or reserved"),
        ("https://0.0.0.0/", "private, local or reserved"),
        ("https://[::1]/", "private, local or reserved"),
        ("https://[fd00:ec2::254]/", "private, local or reserved"),
        ("https://[fe80::1%25eth0]/", "private, local or reserved"),
        ("https://[::ffff:169.254.169.254]/", "private, local or reserved"),
        ("https://localhost/", "local one"),
        ("https://LOCALHOST./", "local one"),
        ("https://backup/", "local one"),
        ("https://a.localhost/", "local one"),
        ("https://printer.local/", "local one"),
        ("https://metadata.google.internal/", "local one"),
        ("https://2130706433/", "local one"),
    ],
)
def test_what_is_no_webhook_on_the_internet_is_refused(url: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        targets.check_url(url)
    assert (refused.value.code, refused.value.field) == ("invalid_target", "target")
    assert said in refused.value.detail


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_public(address: str) -> None:
    assert targets.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "64:ff9b:1::a00:1", "::a00:1", "::7f00:1", "::ffff:0:10.0.0.1", "fec0::1", "5f00::1", "3fff::1", "4000::1",
        "::", "::1", "100::1", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "ff02::1",
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:100.64.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:a00:1::",
        "2002:7f00:1::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "", "agent.example.com", "127.1", "0x7f.0.0.1", "2130706433", "01.1.1.1", "1.1.1.1/32", " 1.1.1.1",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not targets.is_public(address)
