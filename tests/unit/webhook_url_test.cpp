#include "http/admin/webhook_url.hpp"

#include <catch2/catch.hpp>

#include <string>

using regroup::http::is_webhook_url;

TEST_CASE("events can be sent to an https URL of a host") {
  for (const std::string url :
       {"https://example.com", "https://example.com/", "https://hooks.example.com:8443/in?a=b&c",
        "https://1.1.1.1/x", "https://[2606:4700::1111]:443/", "https://[::ffff:1.1.1.1]/",
        "https://a-b_c.example/%C3%A9?q=%20", "https://example.com./", "https://7.example/",
        "https://example.com:1/", "https://example.com:65535/", "https://example.com/a:b@c",
        "https://xn--caf-dma.example/"}) {
    INFO(url);
    CHECK(is_webhook_url(url, false));
  }
  CHECK_FALSE(is_webhook_url("http://example.com/", false));
  CHECK(is_webhook_url("http://127.0.0.1:8080/hook", true));
}

TEST_CASE("what is no URL of a host, or would be read in two ways, is refused") {
  for (const std::string url : {"",
                                "https://",
                                "https:///x",
                                "https://?x",
                                "ftp://example.com",
                                "HTTPS:example.com",
                                "https://example.com:99999/",
                                "https://example.com:65536/",
                                "https://example.com:0/",
                                "https://example.com:/",
                                "https://example.com:+1/",
                                "https://example.com:000001/",
                                "https://example.com:80:81/",
                                "https://[::1",
                                "https://[::1/",
                                "https://[]/",
                                "https://[::1]x/",
                                "https://[::1%25eth0]/",
                                "https://[127.0.0.1]/",
                                "https://::1/",
                                "https://example.com/%00",
                                "https://example.com/a%0d%0aHost:x",
                                "https://example.com/%7f",
                                "https://example.com/%",
                                "https://example.com/%4",
                                "https://example.com/%zz",
                                "https://exam%00ple.com/",
                                "https://user@example.com/",
                                "https://a:b@example.com/",
                                "https://example.com#x",
                                "https://example.com/#x",
                                "https://example.com\\@evil.example/",
                                "https://exa mple.com/",
                                "https://example..com/",
                                "https://.example.com/",
                                "https://-a.example/",
                                "https://127.1/",
                                "https://0x7f000001/",
                                "https://2130706433/",
                                "https://1.2.3.4.5/",
                                "https://256.1.1.1/",
                                "https://example.com/\"x",
                                "https://example.com/{",
                                "https://caf\xc3\xa9.example/"}) {
    INFO(url);
    CHECK_FALSE(is_webhook_url(url, false));
  }
  CHECK_FALSE(is_webhook_url("https://" + std::string(64, 'a') + ".example/", false));
}
